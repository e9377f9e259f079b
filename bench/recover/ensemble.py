"""An ensemble's cell: its members run as their own cells do, with the fits that the store keeps of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import FaceleakError, NotApplicable
from ..core.faces import resize
from ..core.recovery import Recovery
from ..leak.leaked import LeakedSet
from ..plan.cells import Cell
from ..plan.ensemble import Candidate, choose
from ..prepare.session import Session
from ..record.results import status_of
from .attack import run_attack
from .granted import attack_context
from .outcome import Outcome


def run_ensemble(session: Session, cell: Cell) -> Outcome:
    """Run the members, choose a picture for every leak, count what all of them cost.

    Returns:
        What an attack's cell is scored by; ``chosen`` says for which leaks each member was, or why it was not asked.

    Raises:
        NotApplicable: no member recovers a picture of this leak, or there is nothing to choose by; names the members.
        ThreatModelError: there is no surrogate and the attacked recogniser may not be asked.
    """
    ran, left_out = _members(session, cell)
    artists = {title: one for title, one in ran.items() if one.recoveries["victims"].images is not None}
    if not artists:
        raise NotApplicable(f"No member recovers a picture here: {_account(ran, left_out)}.")
    # Leaks are taken from the first identities on, so whoever attacked most of them attacked those of all others.
    leaked = max((one.leaked for one in artists.values()), key=lambda sets: len(sets["victims"].index))
    system = session.defense(cell.defense, cell.target.recognizer, cell.seed)
    # Refuses what the ensemble's threat model does not grant, and counts.
    target = attack_context(session, cell, system, session.installation(cell.seed)).target
    own = session.recognizer(cell.target.surrogate) if cell.target.surrogate else None
    outcome = Outcome({}, leaked, chosen={title: status_of(error) for title, error in left_out.items()})
    for split, part in leaked.items():
        candidates = [_candidate(session, title, one, split, part) for title, one in artists.items()]
        if len(candidates) == 1:  # nothing to choose, so nothing has to be known to choose by
            images, winner = candidates[0].images, torch.zeros(len(part.index), dtype=torch.int64)
        else:
            wanted = _estimate(ran, split, part, "surrogate" if own else "target")
            if wanted is None:
                raise NotApplicable(f"No member tells who leaked, to choose by: {_account(ran, left_out)}.")
            images, winner = choose(candidates, wanted, own.embed if own else target.embed)
        outcome.recoveries[split] = Recovery(images)
        if split == "victims":
            outcome.chosen |= {one.title: winner == number for number, one in enumerate(candidates)}
    outcome.n_queries = target.n_queries
    outcome.isolated = all(one.isolated for one in ran.values())
    for one in ran.values():
        _add_costs(outcome, one)
    return outcome


def _members(session: Session, cell: Cell) -> tuple[dict[str, Outcome], dict[str, FaceleakError]]:
    """By title, in its order: what the members did, and why the others did nothing.

    A member that cannot take the leak, is not granted what it needs or hands back NaN is left out and named. Any other
    error is a fault of the program: it fails the ensemble, and the next run tries it again.
    """
    ran: dict[str, Outcome] = {}
    left_out: dict[str, FaceleakError] = {}
    members = {member.attack.title: member for member in cell.members if member.attack}
    for title, member in sorted(members.items(), key=lambda one: one[0]):
        try:
            ran[title] = run_attack(session, member)
        except FaceleakError as error:
            left_out[title] = error
            session.progress.say(f"  without {title}: {error}")
    return ran, left_out


def _account(ran: Mapping[str, Outcome], left_out: Mapping[str, FaceleakError]) -> str:
    return "; ".join([f"{title} ran" for title in ran] + [f"{title}: {error}" for title, error in left_out.items()])


def _candidate(session: Session, title: str, outcome: Outcome, split: str, part: LeakedSet) -> Candidate:
    images = outcome.recoveries[split].images
    assert images is not None
    return Candidate(title, _places(outcome.leaked[split], part), resize(images, session.track.protocol.resolution))


def _places(some: LeakedSet, part: LeakedSet) -> Tensor:
    """(n,) positions in ``part`` of the leaks of ``some``: the same photographs in the same presentations."""
    where = {pair: i for i, pair in enumerate(zip(part.index.tolist(), part.presentation.tolist()))}
    return torch.tensor([where[pair] for pair in zip(some.index.tolist(), some.presentation.tolist())])


def _estimate(ran: Mapping[str, Outcome], split: str, part: LeakedSet, space: str) -> Tensor | None:
    """(L, D) unit norm: who leaked, the mean of what those members found that look for nothing else."""
    found = []
    for one in ran.values():
        recovery = one.recoveries[split]
        if recovery.embeddings is not None and recovery.images is None and recovery.space == space:
            found.append(recovery.embeddings[_places(part, one.leaked[split])])
    return F.normalize(torch.stack(found).mean(0), dim=1) if found else None


def _add_costs(outcome: Outcome, one: Outcome) -> None:
    """Time and queries add up; all members learn from the same public pictures, so pairs do not."""
    outcome.n_queries += one.n_queries
    outcome.queries_per_victim += one.queries_per_victim
    outcome.train_s += one.train_s
    outcome.invert_s += one.invert_s
    outcome.params += one.params
    outcome.n_pairs = max(outcome.n_pairs, one.n_pairs)
    outcome.still_falling = max(outcome.still_falling, one.still_falling)
    outcome.peak_memory_mb = max(outcome.peak_memory_mb, one.peak_memory_mb)
