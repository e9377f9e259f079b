"""The strongest attack of a system: chosen on the calibration identities, read on the victims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from .rows import AttackId, View
from .seeds import Stat


class Choice(NamedTuple):
    """The attack that won, who judged, and on which identities the choice was made."""

    who: AttackId
    judge: str
    chosen_on: str
    n_candidates: int


def strongest(
    view: View, candidates: Sequence[AttackId], *, judge: str | None = None, pictures: bool = True
) -> Choice | None:
    """The candidate with the highest SAR-II at the headline FMR, among those of one kind.

    A picture is shown to an independent judge; an identity without a picture is scored in the very space it was learnt
    for, the easier task. A maximum over both would compare unlike numbers.

    The choice is a maximum of noisy numbers, so it is made on the calibration identities; only where no candidate
    has calibration rows it is made on the victims, and the board says so. Floors compete, and so do the members of an
    ensemble beside it: the worst case is a maximum over all rows.

    Args:
        view: the results.
        candidates: attacks on one system at one surface.
        judge: the judge to use for all, of either kind; None takes the judge that decides for each.
        pictures: without ``judge``, whether attacks that recover pictures compete or those that only tell who it is.
    """
    able = [who for who in candidates if judge or view.draws(who) == pictures]
    judged = [(who, judge if judge is not None else view.judge_of(who)) for who in able]
    judged = [(who, name) for who, name in judged if view.get(who, "sar_type2", name)]
    if judge is None:
        # A score under the attacked network alone is not comparable with an independent one.
        independent = [(who, name) for who, name in judged if name != who.recognizer]
        judged = independent or judged
    for split in ("calibration", "victims"):
        scored = [pair for pair in judged if view.get(pair[0], "sar_type2", pair[1], split=split)]
        if scored:
            who, name = min(scored, key=lambda pair: (_descending(view, pair[0], pair[1], split), pair[0]))
            return Choice(who, name, split, len(scored))
    return None


def _descending(view: View, who: AttackId, judge: str, split: str) -> tuple[float, ...]:
    """Sort key, strongest first; ties (few calibration identities) go to the higher cosine of the same identities."""
    found = (view.get(who, name, judge, split=split) for name in ("sar_type2", "cosine"))
    return tuple(-stat.value if stat and not math.isnan(stat.value) else 1.0 for stat in found)


def value_of(stat: Stat | None) -> float:
    """The number or NaN."""
    return stat.value if stat else math.nan
