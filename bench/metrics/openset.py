"""Open-set identification (ISO/IEC 19795-1): how often a search that should find somebody does not, at a stated rate of
searches that find somebody though they should not.

    FPIR(t) = searches of people who are not enrolled whose best candidate scores above t, over all such searches
    FNIR(t) = searches of people who are enrolled whose own entry is not first, or not above t, over all such searches
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import MetricInputError, check_labels, check_scores, check_share
from .thresholds import REFUSE_BELOW, allowed_accepts

_RESAMPLES = 64  # at once


@dataclass(frozen=True)
class OpenSet:
    """The threshold of an identification system.

    Attributes:
        value: a candidate is returned when it scores above.
        fpir: reached by the searches that it was set on, <= the target.
        positives: searches among them that return somebody.
        people: whose searches these are.
    """

    value: float
    fpir: float
    positives: int
    people: int


def open_set_threshold(best: npt.ArrayLike, searcher: npt.ArrayLike, fpir: float) -> OpenSet | None:
    """The smallest threshold whose FPIR does not exceed ``fpir``; None where too little stands behind it: fewer than
    ten false positives, or those of fewer than ten people.

    Args:
        best: (n,) the highest score of each search of somebody who is not enrolled.
        searcher: (n,) who was searched for; searches of one person are not independent.
        fpir: target, fraction.

    Raises:
        MetricInputError: wrong shapes, NaN, or ``fpir`` outside (0, 1).
    """
    check_share(fpir, "fpir")
    scores = check_scores(best, "best").astype(np.float64)
    who = check_labels(searcher, scores.size, "searcher")
    allowed = allowed_accepts(fpir, scores.size)
    if allowed < REFUSE_BELOW:
        return None
    value = float(np.partition(scores, scores.size - 1 - allowed)[scores.size - 1 - allowed])
    positive = scores > value
    people = np.unique(who[positive]).size
    if people < REFUSE_BELOW:
        return None
    return OpenSet(value, float(positive.mean()), int(positive.sum()), people)


def drawn_thresholds(
    best: npt.ArrayLike, searcher: npt.ArrayLike, fpir: float, weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(B,) thresholds that other people would have given: those of resamples of whom was searched for.

    Args:
        best: (n,) as above.
        searcher: (n,) as above, of I people.
        fpir: target, fraction.
        weights: (B, I) multiplicities of the people, in the order of their labels.

    Raises:
        MetricInputError: wrong shapes.
    """
    scores = check_scores(best, "best").astype(np.float64)
    labels, person = np.unique(check_labels(searcher, scores.size, "searcher"), return_inverse=True)
    if weights.ndim != 2 or weights.shape[1] != len(labels):
        raise MetricInputError(f"weights are {weights.shape}; pass (B, {len(labels)}), one for each person")
    order = np.argsort(-scores, kind="stable")
    found = []
    for part in np.array_split(weights, max(1, len(weights) // _RESAMPLES)):
        drawn = part[:, person[order]]  # (b, n) how often each search is drawn, best first
        passed = np.cumsum(drawn, axis=1) > fpir * drawn.sum(axis=1, keepdims=True)
        found.append(scores[order][passed.argmax(axis=1)])
    return np.concatenate(found)
