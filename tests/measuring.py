"""Measurements on cases that a test has put together itself."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from faceleak.bench.core.recovery import Recovery
from faceleak.bench.core.registry import MEASUREMENTS
from faceleak.bench.leak.leaked import LeakedSet
from faceleak.bench.measure.base import Kept
from faceleak.bench.measure.case import Case
from faceleak.bench.measure.parts import said
from faceleak.bench.measure.rows import Rules
from faceleak.bench.plan.cells import Cell
from faceleak.bench.prepare.session import Session
from faceleak.bench.recover.outcome import Outcome
from faceleak.defenses.base import Defense


def system_case(session: Session, cell: Cell, defense: Defense) -> Case:
    """The case of a defended system, with a defence that no track names."""
    case = Case(session, cell)
    case.system = defense  # type: ignore[misc]
    return case


def attack_case(session: Session, cell: Cell, part: LeakedSet, recovery: Recovery) -> Case:
    """The case of an attack that brought ``recovery`` back of ``part``."""
    case = Case(session, cell)
    case.outcome = Outcome({"victims": recovery}, {"victims": part})  # type: ignore[misc]
    return case


def through_disk(kept: Kept) -> Kept:
    """What was kept, as it reads back from a file."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **kept)
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def rows_of(case: Case, *names: str) -> list[dict[str, Any]]:
    """Rows of the measurements called so, of what they kept as it reads back; of those that apply."""
    rows = []
    for name in names:
        one = MEASUREMENTS.get(name)()
        if not one.skip(case):
            rows += said(one, through_disk(one.observe(case)), Rules(case.protocol, case.cell.seed))[0]
    return rows
