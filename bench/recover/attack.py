"""One attack on one system: fit it on public faces, hand it the victims' leaks, keep what it recovered and what it
cost."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping

import torch
from torch import Tensor

from ...defenses.base import Defense
from ..core.code import code_of
from ..core.context import Weights
from ..core.errors import ContractError
from ..core.leaks import leak_take
from ..core.recovery import Recovery
from ..core.secrets import SecretSource
from ..core.seeding import Rng
from ..core.surfaces import Surface
from ..core.unfinished import Meter, metered, resumable
from ..isolation.attacker import Attacker, Handed
from ..isolation.desk import Desk, in_order
from ..isolation.turns import turns
from ..leak.leaked import LeakedSet, leaked_set, photographs_of
from ..leak.nobody import leak_of_nobody
from ..plan.cells import Cell, make_attack, make_defense
from ..prepare.session import Session
from ..store.recipe import Recipe
from .fit import fit
from .granted import attack_context, fitting_context
from .outcome import Outcome


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
        state = fit(session, cell, attack, attacker, desk, outcome)
        if state is not None:  # what it cost was written down when it was made
            context.target.forget_counts()
        start = time.perf_counter()
        for split, part in leaked.items():
            outcome.recoveries[split] = _recover(session, cell, desk, attacker, state, (split, part), outcome)
        outcome.invert_s = time.perf_counter() - start
        outcome.nobody = _of_nobody(session, cell, system, installation, (desk, attacker))
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


def _of_nobody(
    session: Session, cell: Cell, system: Defense, installation: SecretSource, at_work: tuple[Desk, Attacker]
) -> Recovery | None:
    """What the attack makes of random vectors; None where none are asked for, or it reads no single template."""
    assert cell.attack is not None
    asked = session.track.protocol.random_vectors and cell.surface is Surface.TEMPLATE and cell.attack.views == 1
    if not asked or (cell.threat and cell.threat.victims):
        return None
    desk, attacker = at_work
    target = desk.context.target
    leak, ids = leak_of_nobody(session, system, cell, installation)
    target.enrol(leak)
    spent = target.n_queries
    recovery = attacker.recover(Handed([target.cut(leak)], [ids], cell.attack.views_joined))
    target.n_queries = spent  # nobody's template is in no database that could be asked
    return recovery


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
