"""Do two judges decide alike: the share of decisions on which they agree, and what of it is more than chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import MetricInputError, check_labels, check_share
from .intervals import Interval, ends_of, mean_interval

_NOTHING = 1e-9  # of chance left to be better than


@dataclass(frozen=True)
class Agreement:
    """How two judges decide about the same comparisons.

    Attributes:
        share: of decisions on which they agree, macro average over people.
        kappa: Cohen's; None where both always decide the same way, which says nothing of either.
    """

    share: Interval
    kappa: Interval | None


def agreement(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    owner: npt.ArrayLike,
    weights: npt.NDArray[np.float64],
    level: float = 0.95,
) -> Agreement:
    """Agreement of two judges, with intervals over people.

        p_o   = 1/I sum_i 1/n_i sum_k 1[a_ik = b_ik]
        p_e   = p_a p_b + (1 - p_a)(1 - p_b),   p_a = 1/I sum_i 1/n_i sum_k 1[a_ik accepts]
        kappa = (p_o - p_e) / (1 - p_e)          (Cohen 1960)

    Args:
        first: (n,) truths: whether A accepts each comparison.
        second: (n,) whether B does.
        owner: (n,) whose each comparison is, of I people.
        weights: (B, I) multiplicities of the people in the order of their labels.
        level: nominal coverage, fraction.

    Raises:
        MetricInputError: nothing to compare, or lengths differ.
    """
    check_share(level, "level")
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    if a.ndim != 1 or a.shape != b.shape or not a.size:
        raise MetricInputError(f"decisions have shapes {a.shape} and {b.shape}; both judges decide about the same ones")
    codes, counts = np.unique(check_labels(owner, a.size, "owner"), return_inverse=True, return_counts=True)[1:]
    same, of_a, of_b = (np.bincount(codes, part) / counts for part in (a == b, a, b))
    share = mean_interval(same, [weights], level, rate=True)
    value = _kappa(same.mean(), of_a.mean(), of_b.mean())
    if np.isnan(value):
        return Agreement(share, None)
    sums = weights.sum(axis=1)
    draws = _kappa(*(weights @ part / sums for part in (same, of_a, of_b)))
    lo, hi = ends_of(draws[~np.isnan(draws)], level, float(value))
    kappa = Interval(
        float(value), min(lo, float(value)), max(hi, float(value)), "bootstrap-identities", len(same), level
    )
    return Agreement(share, kappa)


def _kappa(same: npt.ArrayLike, of_a: npt.ArrayLike, of_b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Of shares of any shape; NaN where chance alone agrees always."""
    p_o, p_a, p_b = (np.asarray(part, np.float64) for part in (same, of_a, of_b))
    left = 1 - (p_a * p_b + (1 - p_a) * (1 - p_b))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(left > _NOTHING, 1 - (1 - p_o) / left, np.nan)
