"""A track -> the list of cells: which attack meets which defence, where, knowing what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...attacks.base import Attack
from ...defenses.base import Defense
from ...defenses.composition import compose
from ..core.errors import TrackError
from ..core.matching import matching
from ..core.registry import ATTACKS, DATASETS, DEFENSES, RECOGNIZERS
from ..core.surfaces import Role, Secret, Surface
from ..core.threat import DefenseKnowledge, ThreatModel
from ..record.words import WITHIN
from .ensemble import REFEREE, StandardEnsemble
from .track import AttackSpec, DefenseSpec, TargetSpec, Track, members_of


def make_defense(spec: DefenseSpec) -> Defense:
    """The defence of a track's entry, not fitted."""
    if isinstance(spec.name, str):
        return DEFENSES.get(spec.name)(spec.settings)  # type: ignore[no-any-return]
    for name, values in spec.settings.items():
        if name not in spec.name or not isinstance(values, dict):
            raise TrackError(f"defense {spec.title!r}: settings of two are tables of their names, not {name!r}.")
    first, second = (DEFENSES.get(name)(spec.settings.get(name, {})) for name in spec.name)
    return compose(first, second)


def make_attack(spec: AttackSpec) -> Attack:
    """The attack of a track's entry, not fitted."""
    if spec.name == StandardEnsemble.name:
        return StandardEnsemble(spec.settings)
    return ATTACKS.get(spec.name)(spec.settings)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Cell:
    """One unit of work. ``attack`` is None for the cell that measures a defence's utility; ``members`` are what an
    ensemble runs."""

    target: TargetSpec
    defense: DefenseSpec
    seed: int
    attack: AttackSpec | None = None
    surface: Surface | None = None
    threat: ThreatModel | None = None
    members: tuple[Cell, ...] = ()

    def labels(self) -> dict[str, Any]:
        """What rows, filters and messages call it."""
        return {
            "recognizer": self.target.recognizer,
            "defense": self.defense.title,
            "attack": self.attack.title if self.attack else "",
            "surface": self.surface.value if self.surface else "",
            "knowledge": self.threat.defense.value if self.threat else "",
            "seed": self.seed,
        }

    def __str__(self) -> str:
        labels = self.labels()
        if not self.attack:
            return f"{labels['recognizer']} / {labels['defense']} / utility"
        parts = (labels[key] for key in ("recognizer", "defense", "surface", "attack", "knowledge"))
        return " / ".join(parts)


def defense_traits(defense: Defense) -> dict[str, Any]:
    """What the page filters defences by, kept so that a report needs no plug-in."""
    secrets = sorted(secret.value for secret in defense.secrets)
    return {"protects": defense.protects.value, "goal": defense.goal.value, "secrets": secrets}


def roles(entries: Sequence[AttackSpec]) -> dict[str, str]:
    """Title of each attack -> attack, floor or ceiling, as its class declares it."""
    told = {spec.title: Role.ATTACK for spec in entries}
    told |= {spec.title: ATTACKS.get(spec.name).role for spec in entries if spec.name != StandardEnsemble.name}
    return {title: role.value for title, role in told.items()}


def cells(track: Track) -> list[Cell]:
    """All cells of a track, cheap checks of names and settings included."""
    for dataset in (track.dataset, *track.datasets.values()):
        DATASETS.get(dataset.name)(dataset.settings)
    for recognizer in track.recognizers.values():
        RECOGNIZERS.get(recognizer.type)(recognizer.settings)
    found = []
    titles = {spec.title for spec in track.defenses}
    for seed in track.seeds:
        for target in track.targets:
            for spec in track.defenses:
                if spec.title in matching(target.defenses, titles):
                    found.append(Cell(target, spec, seed))
                    found.extend(_attack_cells(track, target, spec, seed))
    return found


def _attack_cells(track: Track, target: TargetSpec, spec: DefenseSpec, seed: int) -> Iterator[Cell]:
    defense = make_defense(spec)
    order = list(Surface)
    surfaces = spec.surfaces or tuple(s for s in order if order.index(s) >= order.index(defense.protects))
    for surface in surfaces:
        here: list[Cell] = []
        titles = matching(spec.attacks, {entry.title for entry in track.attacks})
        entries = [e for e in track.attacks if e.title in titles and surface in (e.surfaces or surfaces)]
        for entry in entries:
            attack = make_attack(entry)
            if entry.name == StandardEnsemble.name or surface not in attack.surfaces:
                continue
            for knowledge in levels(attack, defense, entry.knowledge):
                threat = replace(
                    attack.threat, defense=knowledge, pairs=entry.pairs, queries=entry.queries, part=entry.part,
                    views=entry.views,
                )  # fmt: skip
                here.append(Cell(target, spec, seed, entry, surface, threat))
        yield from here
        for entry in entries:
            if entry.name == StandardEnsemble.name:
                members = members_of(entry, track.attacks)
                yield from _ensemble_cells(entry, [cell for cell in here if cell.attack in members])


def _ensemble_cells(entry: AttackSpec, candidates: list[Cell]) -> Iterator[Cell]:
    """One cell for each level at which members differ; in it every member runs at the best level that it includes."""
    by_title: dict[str, dict[DefenseKnowledge, Cell]] = {}
    for cell in candidates:
        assert cell.attack is not None
        assert cell.threat is not None
        if not cell.threat.victims:  # a ceiling is no attack
            by_title.setdefault(cell.attack.title, {})[cell.threat.defense] = cell
    seen = {level for cells in by_title.values() for level in cells}
    wanted = seen if seen == {DefenseKnowledge.K0} else seen & set(entry.knowledge or DefenseKnowledge)
    for level in sorted(wanted):
        best = (next((cells[known] for known in WITHIN[level] if known in cells), None) for cells in by_title.values())
        members = tuple(_as_member(cell, entry) for cell in best if cell)
        first = members[0]
        if len(members) > 1 and not any(cell.attack and cell.attack.name == REFEREE for cell in members):
            referee = AttackSpec.model_validate({"name": REFEREE, "victims": entry.victims})
            threat = replace(make_attack(referee).threat, defense=level)
            members += (replace(first, attack=referee, threat=threat),)
        access = max((cell.threat.recognizer for cell in members if cell.threat), key=lambda one: one.rank)
        threat = ThreatModel(recognizer=access, defense=level)
        yield replace(first, attack=entry, threat=threat, members=members)


def _as_member(cell: Cell, entry: AttackSpec) -> Cell:
    """With no more victims than the ensemble has; who leaked is told of all of these, it takes one forward pass."""
    assert cell.attack is not None
    own = cell.attack.victims if "image" in make_attack(cell.attack).recovers else None
    limit = min((count for count in (own, entry.victims) if count is not None), default=None)
    return replace(cell, attack=cell.attack.model_copy(update={"victims": limit}))


def levels(attack: Attack, defense: Defense, asked: tuple[DefenseKnowledge, ...]) -> tuple[DefenseKnowledge, ...]:
    """The knowledge levels that differ from each other for this pair, within those asked for.

    An attack that looks at no leak of its own has no levels; nor has an undefended system. One that cannot do without
    the algorithm says so in its threat model, and that is its only level. Else K2 and K3 need a deployment secret that
    can be guessed or stolen.
    """
    needed = attack.threat.defense
    if needed is not DefenseKnowledge.K0 and defense.name != "none":
        return tuple(level for level in (needed,) if not asked or level in asked)
    if not (attack.trained or attack.uses_pairs) or defense.name == "none":
        return (DefenseKnowledge.K0,)
    able = [DefenseKnowledge.K0, DefenseKnowledge.K1]
    if defense.person_keyed:  # an adversary's people have keys of their own in any case
        able += [DefenseKnowledge.K3]
    elif Secret.DEPLOYMENT in defense.secrets:
        able += [DefenseKnowledge.K2, DefenseKnowledge.K3]
    return tuple(level for level in able if not asked or level in asked)
