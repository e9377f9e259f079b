"""One attack on one system: fit it on public faces, hand it the victims' leaks, keep what it recovered and what it
cost."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...attacks.base import Attack
from ...defenses.base import Defense
from ..core.code import code_of
from ..core.context import AttackContext, Weights
from ..core.errors import ContractError
from ..core.leaks import leak_take
from ..core.recovery import Recovery
from ..core.secrets import SecretSource
from ..core.seeding import Rng
from ..core.surfaces import Surface
from ..core.target import Target
from ..core.threat import DefenseKnowledge
from ..core.unfinished import Meter, metered, resumable, spent_before
from ..isolation.attacker import Attacker, Handed
from ..isolation.desk import Desk, in_order, shared_weights
from ..isolation.turns import turns
from ..leak.leaked import LeakedSet, leaked_set, photographs_of
from ..leak.published import published
from ..plan.cells import Cell, make_attack, make_defense
from ..plan.track import DefenseSpec
from ..prepare.session import Session
from ..store.recipe import Recipe
from ..store.unfinished import Unfinished


@dataclass
class Outcome:
    """What one attack did in one cell."""

    recoveries: dict[str, Recovery]  # by split
    leaked: dict[str, LeakedSet]
    losses: list[float] = field(default_factory=list)
    still_falling: float = 0.0
    kept: float = 1.0  # share of what was learnt that did held-out people no harm
    train_s: float = 0.0
    invert_s: float = 0.0
    n_queries: int = 0
    queries_per_victim: int = 0
    n_pairs: int = 0
    params: int = 0
    peak_memory_mb: float = 0.0
    # Of an ensemble, by member: (L,) whether its picture was taken, or the status that kept it out.
    chosen: dict[str, Tensor | str] = field(default_factory=dict)
    isolated: bool = True  # whether the attack ran in a process of its own
    places: list[Unfinished] = field(default_factory=list)  # where long searches have kept themselves


def run_attack(session: Session, cell: Cell) -> Outcome:
    """Fit (or load an equal fit), recover, count.

    Raises:
        NotApplicable: the attack cannot take this leak.
        ThreatModelError: it asks for what is not granted.
        ContractError: a judge is no longer what it was.
    """
    assert cell.attack is not None
    assert cell.surface is not None
    attack = make_attack(cell.attack)
    alias = cell.target.recognizer
    system = session.defense(cell.defense, alias, cell.seed)
    installation = session.installation(cell.seed)
    leaked = {"victims": leaked_set(session, system, cell, "victims", installation)}
    # What reads attributes alone is ranked by no board, so nobody selects by it.
    selects = bool(attack.recovers - {"attributes"}) and not attack.threat.victims
    if session.track.protocol.selection_victims and selects:
        leaked["calibration"] = leaked_set(session, system, cell, "calibration", installation)
    context = attack_context(session, cell, system, installation)
    outcome = Outcome({}, leaked)
    with Desk(session, cell, system, context, fitting_context(session, cell, system, installation, context)) as desk:
        attacker = desk.attacker(attack)
        # Before minutes go into a fit that cannot be used.
        sample = context.target.cut(leaked["victims"].leak)
        attacker.check(leak_take(sample, slice(0, 1)))
        state = _fit(session, cell, attack, attacker, desk.fitting, outcome)
        if state is not None:  # what it cost was written down when it was made
            context.target.forget_counts()
        start = time.perf_counter()
        for split, part in leaked.items():
            outcome.recoveries[split] = _recover(session, cell, desk, attacker, state, (split, part), outcome)
        outcome.invert_s = time.perf_counter() - start
        outcome.params, outcome.peak_memory_mb = attacker.costs()
        outcome.isolated = attacker.isolated
    outcome.n_queries += context.target.n_queries
    outcome.n_pairs = max(outcome.n_pairs, context.target.n_pairs)
    session.check_judges(cell.target)
    for place in outcome.places:
        place.clear()
    return outcome


def _recover(
    session: Session, cell: Cell, desk: Desk, attacker: Attacker, state: Weights | None,
    named: tuple[str, LeakedSet], outcome: Outcome,
) -> Recovery:  # fmt: skip
    """All recoveries of a split, in the order of its leaks. Each further draw goes to a process that saw no other."""
    assert cell.attack is not None
    (split, part), target = named, desk.context.target
    rng = Rng(session.root.seed(cell.seed, "turns"), *map(str, cell.labels().values()), split)
    found: list[tuple[Tensor, Recovery]] = []
    for number, turn in enumerate(turns(part, rng)):
        if number and attacker.isolated:
            attacker = desk.attacker(make_attack(cell.attack))
            asked = target.n_queries
            attacker.load(state) if state is not None else attacker.fit()
            target.n_queries = asked  # the adversary learns once
        views = [leak_take(target.cut(view.leak), turn.index) for view in (part, *part.more)]
        target.enrol(leak_take(part.leak, turn.index) if cell.surface is Surface.TEMPLATE else None)
        photographs = photographs_of(part, turn.index) if cell.threat and cell.threat.victims else None
        handed = Handed(views, turn.ids, cell.attack.views_joined, photographs)
        place = session.store.unfinished(search_recipe(session, cell, handed, state))
        with resumable(place), metered(Meter(target.meter, target.set_meter)):
            recovery = attacker.recover(handed)
        outcome.places.append(place)
        if len(recovery) != len(turn.index):
            raise ContractError(f"{cell.attack.title} returned {len(recovery)} recoveries for {len(turn.index)} leaks.")
        found.append((turn.index, recovery))
        outcome.queries_per_victim = max(outcome.queries_per_victim, target.queries_per_victim)
    return in_order(found)


def search_recipe(session: Session, cell: Cell, handed: Handed, state: Weights | None) -> Recipe:
    """What a recovery is made from: the very leaks, and what the attack knows."""
    assert cell.attack is not None
    seen = hashlib.sha256(repr((handed.joined, handed.photographs is None, sorted(state or {}))).encode())
    for one in (*handed.leaks, *handed.ids, *(state or {}).values()):
        for _, part in sorted(one.items()) if isinstance(one, Mapping) else [("", one)]:
            seen.update(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    of = {
        "attack": make_attack(cell.attack).describe(),
        "labels": cell.labels(),
        "threat": str(cell.threat),
        "system": session.systems.recipe(make_defense(cell.defense), cell.target.recognizer, cell.seed),
        "surrogate": session.recognizer_recipe(cell.target.surrogate),
        "public": session.faces("public").sha,
        "resolution": session.track.protocol.resolution,
        "secrets": session.root.fingerprint,
        "seen": seen.hexdigest(),
    }
    return Recipe("recovery", of, code_of(__name__))


def attack_context(
    session: Session, cell: Cell, system: Defense, installation: SecretSource, knowledge: DefenseKnowledge | None = None
) -> AttackContext:
    """Exactly what the cell's threat model grants; or what it would with other ``knowledge`` of the defence."""
    assert cell.threat is not None
    assert cell.surface is not None
    alias, public = cell.target.recognizer, session.faces("public")
    target = Target(
        system,
        session.undefended(alias),
        cell.surface,
        cell.threat.with_defense(knowledge) if knowledge else cell.threat,
        installation,
        cell.seed,
        public,
        session.pipeline_embeddings(alias),
        published=lambda faces, index, source: published(session, system, alias, faces, index, source),
        own=session.root.seed(cell.seed, "adversary"),
    )
    surrogate = session.recognizer(cell.target.surrogate) if cell.target.surrogate else None
    keeper = shared_weights(session, cell, system)
    return AttackContext(
        target=target,
        public=public,
        # Not the threat model's name: an equal fit under another name must be the same fit.
        rng=Rng(cell.seed, "attack", cell.attack.fit_title if cell.attack else ""),
        device=session.device,
        progress=session.progress,
        resolution=session.track.protocol.resolution,
        surrogate=surrogate,
        surrogate_embeddings=(lambda: session.embeddings(cell.target.surrogate, "public")) if surrogate else None,
        keep=lambda name, depends, make: keeper(name, depends, make.__module__, make),
    )


def fitting_context(
    session: Session, cell: Cell, system: Defense, installation: SecretSource, context: AttackContext
) -> AttackContext:
    """What is granted while the attack learns: of a fit that oracles share (``fit_recipe``) no more than an oracle has.

    A stolen key that got into such a fit would come with it to those who were not given it.
    """
    assert cell.attack is not None
    attack = make_attack(cell.attack)
    shared = attack.trained and not attack.uses_secrets and context.target.threat.defense is DefenseKnowledge.K3
    return attack_context(session, cell, system, installation, DefenseKnowledge.K1) if shared else context


def _fit(
    session: Session, cell: Cell, attack: Attack, attacker: Attacker, context: AttackContext, outcome: Outcome
) -> Weights | None:
    """Trained attacks are fitted once for all cells whose fit would be the same, and kept; returns what was kept."""
    if not attack.trained:
        start = time.perf_counter()
        attacker.fit()
        outcome.train_s = time.perf_counter() - start
        return None

    def build(folder: Path) -> None:
        session.progress.say(f"Fitting {cell}")
        start = time.perf_counter()
        with metered(Meter(context.target.meter, context.target.set_meter)):
            fitted = attacker.fit()
        save_file({name: tensor.contiguous() for name, tensor in fitted.state.items()}, folder / "attack.safetensors")
        meta = {
            "train_s": time.perf_counter() - start + spent_before(),
            "n_queries": context.target.n_queries,
            "n_pairs": context.target.n_pairs,
            "losses": fitted.losses,
            "still_falling": fitted.still_falling,
            "kept": fitted.kept,
        }
        (folder / "fit.json").write_text(json.dumps(meta), encoding="utf-8")

    folder = session.store.make(fit_recipe(session, cell, attack), build)
    meta = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    outcome.train_s, outcome.losses, outcome.still_falling = meta["train_s"], meta["losses"], meta["still_falling"]
    outcome.kept = meta["kept"]
    # The fit is always used as it reads back from disk, so that a resumed run computes with the same bytes; and with a
    # fresh meter, because what the fit cost was written down when it was made.
    state = load_file(folder / "attack.safetensors")
    attacker.load(state)
    context.target.forget_counts()
    outcome.n_queries, outcome.n_pairs = meta["n_queries"], meta["n_pairs"]
    return state


def fit_recipe(session: Session, cell: Cell, attack: Attack) -> Recipe:
    """What a fit is made from. Oracle (K1) and full disclosure (K3) train on the same pairs, unless an attack reads the
    secrets themselves (``uses_secrets``)."""
    assert cell.threat is not None
    assert cell.surface is not None
    alias, knowledge = cell.target.recognizer, cell.threat.defense.value
    if knowledge == "K3" and not attack.uses_secrets:
        knowledge = "K1"
    system = DefenseSpec(name="none") if knowledge == "K0" else cell.defense
    of = {
        "attack": attack.describe(),
        "title": cell.attack.fit_title if cell.attack else "",
        "system": session.systems.recipe(make_defense(system), alias, cell.seed),
        "secrets": None if knowledge == "K0" else session.secrets_of(make_defense(cell.defense)),
        "surrogate": session.recognizer_recipe(cell.target.surrogate),
        "surface": cell.surface.value,
        "threat": str(replace(cell.threat, defense=type(cell.threat.defense)(knowledge), views=1)),
        "public": session.faces("public").sha,
        "attributes": attributes_sha(session, cell, "public"),
        "resolution": session.track.protocol.resolution,
        "seed": cell.seed,
    }
    return Recipe("attack", of, code_of(__name__))


def attributes_sha(session: Session, cell: Cell, split: str) -> str | None:
    """Hash of a split's labels where the cell's attack reads attributes; no other result depends on them.

    Raises:
        DataError: the label file cannot be read or misses pictures: before anything is run, not after.
    """
    if cell.attack is None or "attributes" not in make_attack(cell.attack).recovers:
        return None
    known = session.faces(split).attributes
    return known.sha if known else None
