"""How two things are timed against each other: in turns, so that what else the machine does meets both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Measured:
    """A line's number.

    Args:
        name: key of ``goals.GOALS``.
        value: the median; None where it could not be measured.
        low: the least of the single measurements.
        high: the most of them.
        note: what else is known of it, or why there is no number.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


def of(name: str, values: Sequence[float], note: str = "") -> Measured:
    """The median of several measurements."""
    return Measured(name, statistics.median(values), min(values), max(values), note)


def seconds(work: Work, clock: Callable[[], float] = time.perf_counter) -> float:
    """How long it takes."""
    start = clock()
    work()
    return clock() - start


def alternately(one: Work, other: Work, pairs: int, clock: Callable[[], float]) -> list[tuple[float, float]]:
    """Seconds of both, in turns; each pair begins with the one that the last pair ended with."""
    found = []
    for pair in range(pairs):
        if pair % 2:
            late = seconds(other, clock)
            found.append((seconds(one, clock), late))
        else:
            early = seconds(one, clock)
            found.append((early, seconds(other, clock)))
    return found


def ratio(name: str, one: Work, other: Work, pairs: int, note: str = "", *, processes: bool = False) -> Measured:
    """How many times as long as ``other`` ``one`` takes: the median over pairs.

    Args:
        name: of the line.
        one: in one thread of this process, as the other; both are warmed up, and what counts is the processor's time.
        other: what it is compared with.
        pairs: how many.
        note: what else is known.
        processes: both are processes of their own: wall time, and nothing to warm up.
    """
    if not processes:
        one()
        other()
    found = alternately(one, other, pairs, time.perf_counter if processes else time.process_time)
    first, second = (1000 * statistics.median(side) for side in zip(*found, strict=True))
    told = f"{first:.4g} ms / {second:.4g} ms" + (f"; {note}" if note else "")
    return of(name, [a / b for a, b in found], told)
