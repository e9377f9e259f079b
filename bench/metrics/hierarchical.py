"""Intervals of rates at a threshold, over everything that was sampled: the victims, and the people who calibrated it.

In one draw victims are resampled, the threshold is one that other calibration people could have given
(``calibration.py``), and both go into the rate:

    rate* = sum_i w_i r_i(t*) / I,   r_i(t) = share of victim i's comparisons above t

Towards 0 and 1, where few victims decide and a percentile says little, Wilson's interval over victims stands in, and
the threshold's part is added to each side in squares (MOVER: Zou and Donner, Statistics in Medicine 2008).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arrays import LabelArray, check_labels, check_scores, check_share
from .intervals import EDGE, Interval, edge_interval, ends_of

_GRID = 64  # drawn thresholds are moved to the nearest of so many of themselves


def shares_above(
    scores: npt.ArrayLike, owner: npt.ArrayLike, thresholds: npt.ArrayLike, *, missed: bool = False
) -> tuple[LabelArray, npt.NDArray[np.float64]]:
    """What share of each person's comparisons lies above each threshold.

    Args:
        scores: (n,) similarities; -inf is a failure.
        owner: (n,) whose each is.
        thresholds: (K,).
        missed: count those that do not lie above it.

    Returns:
        labels: (I,) people, sorted.
        shares: (I, K), in [0, 1].
    """
    values, levels = check_scores(scores, "scores"), np.atleast_1d(np.asarray(thresholds, np.float64))
    labels, codes, counts = np.unique(
        check_labels(owner, values.size, "owner"), return_inverse=True, return_counts=True
    )
    order = np.argsort(codes, kind="stable")
    above = values[order].astype(np.float64)[:, None] > levels
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    shares = np.add.reduceat(above, starts, axis=0, dtype=np.float64) / counts[:, None]
    return labels, 1 - shares if missed else shares


def rate_draws(
    scores: npt.ArrayLike,
    owner: npt.ArrayLike,
    drawn: npt.ArrayLike,
    weights: npt.NDArray[np.float64],
    *,
    missed: bool = False,
) -> npt.NDArray[np.float64]:
    """(B,) draws of the macro rate.

    Args:
        scores: (n,) similarities.
        owner: (n,) whose each is, of I people.
        drawn: (B,) thresholds.
        weights: (B, I) multiplicities of the people, in the order of their labels.
        missed: as for ``shares_above``.
    """
    shares, which = drawn_shares(scores, owner, drawn, missed=missed)
    return np.asarray((weights @ shares)[np.arange(len(weights)), which] / shares.shape[0])


def drawn_shares(
    scores: npt.ArrayLike, owner: npt.ArrayLike, drawn: npt.ArrayLike, *, missed: bool = False
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """``shares_above`` (I, K) at K of the drawn thresholds, and (B,) which of them stands in for each draw."""
    levels, which = _grid(np.asarray(drawn, np.float64))
    return shares_above(scores, owner, levels, missed=missed)[1], which


def rate_interval(
    scores: npt.ArrayLike,
    owner: npt.ArrayLike,
    threshold: float,
    drawn: npt.ArrayLike,
    weights: npt.NDArray[np.float64],
    level: float = 0.95,
    *,
    missed: bool = False,
) -> Interval:
    """A macro rate at a threshold with its interval over victims and calibration people.

    Args:
        scores: (n,) similarities.
        owner: (n,) whose each is, of I people.
        threshold: success is strictly above.
        drawn: (B,) draws of the threshold, as ``Calibration.thresholds`` gives them.
        weights: (B, I) multiplicities of the people.
        level: nominal coverage, fraction.
        missed: as for ``shares_above``.

    Returns:
        `Interval` in [0, 1], n = I; method "bootstrap-hierarchical", or "wilson-hierarchical" at the edges.
    """
    check_share(level, "level")
    own = shares_above(scores, owner, threshold, missed=missed)[1][:, 0]
    n, value = len(own), float(own.mean())
    if min(value, 1 - value) * n >= EDGE:
        lo, hi = ends_of(rate_draws(scores, owner, drawn, weights, missed=missed), level)
        return Interval(value, min(lo, value), max(hi, value), "bootstrap-hierarchical", n, level)
    alone = rate_draws(
        scores, owner, drawn, np.ones((len(weights), n)), missed=missed
    )  # these victims, other thresholds
    lo, hi = combined(value, edge_interval(own, level), ends_of(alone, level))
    return Interval(value, max(lo, 0.0), min(hi, 1.0), "wilson-hierarchical", n, level)


def combined(value: float, one: Interval, other: tuple[float, float]) -> tuple[float, float]:
    """Ends of an interval that has two independent parts, by MOVER: the distances to each side add in squares."""
    lo = value - np.hypot(value - one.lo, max(value - other[0], 0.0))
    hi = value + np.hypot(one.hi - value, max(other[1] - value, 0.0))
    return float(lo), float(hi)


def _grid(drawn: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Some of the drawn thresholds, ascending, and which of them stands in for each."""
    levels = np.unique(drawn)
    if len(levels) > _GRID:
        levels = np.unique(np.quantile(drawn, np.linspace(0, 1, _GRID), method="nearest"))
    middle = (levels[1:] + levels[:-1]) / 2
    return levels, np.searchsorted(middle, drawn)
