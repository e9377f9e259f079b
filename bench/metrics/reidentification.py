"""Does the recovery bring the person back: SAR Type-I and Type-II, rank-k, and what chance would reach.

Scores are a judge's similarities; -inf (no face found in the reconstruction) is a failure that stays in the
denominator. All rates are macro averages: first within an identity, then over identities, because one LFW
identity has 530 images. Per-identity values are returned, so that `intervals` can resample identities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import (
    FloatArray,
    IntArray,
    LabelArray,
    MetricInputError,
    Rng,
    as_rng,
    check_labels,
    check_scores,
    check_share,
    check_values,
)
from .intervals import Interval, resample_weights, wilson
from .ranking import chance, lift, rank_k, true_ranks

__all__ = [
    "IdentityRates",
    "by_identity",
    "chance",
    "lift",
    "rank_k",
    "risk_ratio",
    "sar_type1",
    "sar_type2",
    "shuffled",
    "true_ranks",
    "type2_pairs",
]


@dataclass(frozen=True, eq=False)
class IdentityRates:
    """A success rate, by identity.

    Attributes:
        identities: (I,) labels, sorted.
        values: (I,) share of successes within each identity.
        counts: (I,) trials within each identity.
        macro: mean of `values`; the board's number.
        micro: successes over all trials; for comparison only.
    """

    identities: LabelArray
    values: FloatArray
    counts: IntArray
    macro: float
    micro: float


def sar_type1(scores_same_photo: npt.ArrayLike, victims: npt.ArrayLike, threshold: float) -> IdentityRates:
    """Successful attack rate, Type-I: the reconstruction against the very photo the template came from.

        SAR_I = 1/|I| sum_i 1/n_i sum_a 1[ s_J(r(T(x_ia)), x_ia) > threshold ]

    Args:
        scores_same_photo: (n,) judge scores, one per attacked photo x_ia.
        victims: (n,) identity of each photo.
        threshold: the judge's, from its calibration identities; success is strictly above.

    Returns:
        `IdentityRates` over all identities.

    Raises:
        MetricInputError: wrong shapes or NaN.
    """
    return by_identity(check_scores(scores_same_photo, "scores_same_photo") > threshold, victims)


def type2_pairs(victims: npt.ArrayLike) -> tuple[IntArray, IntArray]:
    """All ordered pairs (a, b), a != b, of photos of one identity: what SAR Type-II compares.

    Args:
        victims: (n,) identity of each photo.

    Returns:
        reconstruction: (p,) index a of the attacked photo.
        photo: (p,) index b of the other photo. Identities with one photo have no pair.
    """
    labels = check_labels(victims, len(np.asarray(victims)), "victims")
    _, codes = np.unique(labels, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for group in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        row, column = np.nonzero(~np.eye(len(group), dtype=np.bool_))
        pairs.append(np.stack([group[row], group[column]], axis=1))
    both = np.concatenate(pairs)
    return both[:, 0], both[:, 1]


def sar_type2(scores_other_photo: npt.ArrayLike, victims: npt.ArrayLike, threshold: float) -> IdentityRates:
    """Successful attack rate, Type-II: the reconstruction against *another* photo of the victim.

        SAR_II = 1/|I| sum_i 1/(n_i (n_i - 1)) sum_a sum_{b != a} 1[ s_J(r(T(x_ia)), x_ib) > threshold ]

    over the identities with n_i >= 2.

    Args:
        scores_other_photo: (p,) judge scores of the pairs of `type2_pairs`, r(T(x_a)) against x_b.
        victims: (p,) identity of each pair, i.e. `victims[reconstruction]`.
        threshold: the judge's; success is strictly above.

    Returns:
        `IdentityRates` over the identities that have pairs; `counts` are pairs. With a subset of the pairs each
        identity's value is the mean over its own subset.

    Raises:
        MetricInputError: wrong shapes, no pair at all, or NaN.
    """
    return by_identity(check_scores(scores_other_photo, "scores_other_photo") > threshold, victims)


def by_identity(hits: npt.ArrayLike, identities: npt.ArrayLike) -> IdentityRates:
    """Group successes by identity, e.g. those of `rank_k`.

    Args:
        hits: (n,) bool or values in [0, 1].
        identities: (n,) labels.

    Returns:
        `IdentityRates`.

    Raises:
        MetricInputError: wrong shapes, or values outside [0, 1].
    """
    success = check_values(np.asarray(hits, dtype=np.float64), "hits")
    if success.min() < 0 or success.max() > 1:
        raise MetricInputError(f"hits span [{success.min():.4g}, {success.max():.4g}]; successes are within [0, 1]")
    labels, codes = np.unique(check_labels(identities, success.size, "identities"), return_inverse=True)
    counts = np.bincount(codes)
    values = np.bincount(codes, weights=success) / counts
    return IdentityRates(labels, values, counts, float(values.mean()), float(success.mean()))


def shuffled(identities: npt.ArrayLike, rng: Rng) -> IntArray:
    """A random reassignment of reconstructions to *other* persons: the floor an attack must beat.

    Score the reconstruction p[a] as if it were that of photo a; each is used exactly once. (The randomised
    baseline of arXiv 2202.05760.)

    Args:
        identities: (n,) identity of each photo.
        rng: numpy Generator or int seed.

    Returns:
        Permutation p (n,) with identities[p[a]] != identities[a] for every a.

    Raises:
        MetricInputError: one identity owns more than half of the photos, so there is none.
    """
    _, codes = np.unique(np.asarray(identities), return_inverse=True)
    n, generator = codes.size, as_rng(rng)
    if n == 0 or 2 * int(np.bincount(codes).max()) > n:
        raise MetricInputError(f"one identity owns more than half of the {n} photos; a shuffle needs other persons")
    p = generator.permutation(n)
    for a in np.flatnonzero(codes[p] == codes):
        if codes[p[a]] != codes[a]:
            continue  # an earlier swap mended it
        # Such a partner exists, since the identity owns at most half of both the places and the entries.
        free = np.flatnonzero((codes != codes[p[a]]) & (codes[p] != codes[a]))
        b = generator.choice(free)
        p[a], p[b] = p[b], p[a]
    return p


def risk_ratio(
    values: npt.ArrayLike, baseline: npt.ArrayLike, rng: Rng, resamples: int = 2000, level: float = 0.95
) -> Interval:
    """Macro rate of the attack over that of its baseline (the shuffled one), paired by identity.

        ratio = mean_i values_i / mean_i baseline_i

    Percentile bootstrap over identities; a resample 0 / 0 counts as 0 for the lower and as infinite for the
    upper end. If the baseline never succeeds the ratio is infinite, and its lower end is bounded by the
    Wilson ends: lo(values) / hi(baseline), n = identities.

    Args:
        values: (I,) per-identity rates of the attack, in [0, 1].
        baseline: (I,) per-identity rates of the baseline, same identities in the same order.
        rng: numpy Generator or int seed.
        resamples: bootstrap draws.
        level: nominal coverage, fraction.

    Returns:
        `Interval`, method "bootstrap-identities" or "wilson-bound"; `value` and `hi` may be infinite.

    Raises:
        MetricInputError: shapes differ, rates outside [0, 1], or both rates are 0 (no ratio).
    """
    own, base = check_values(values, "values").astype(np.float64), check_values(baseline, "baseline").astype(np.float64)
    check_share(level, "level")
    if own.shape != base.shape or min(own.min(), base.min()) < 0 or max(own.max(), base.max()) > 1:
        raise MetricInputError(f"risk_ratio got {own.shape} and {base.shape}; pass rates in [0, 1], paired")
    n, top, bottom = own.size, float(own.mean()), float(base.mean())
    if top == 0 and bottom == 0:
        raise MetricInputError("attack and baseline both succeed for 0 identities; there is no ratio, report the rates")
    if bottom == 0:
        lo = wilson(own.sum(), n, level).lo / wilson(0, n, level).hi
        return Interval(np.inf, lo, np.inf, "wilson-bound", n, level)
    sums = np.concatenate([w @ np.stack([own, base], axis=1) for w in resample_weights(n, rng, resamples)])  # (r, 2)
    defined = sums[:, 1] > 0
    ratios = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.inf), where=defined)
    lowest = np.where(~defined & (sums[:, 0] == 0), 0.0, ratios)
    # inverted_cdf picks a draw; interpolation between a finite and an infinite one would be NaN.
    lo = float(np.quantile(lowest, (1 - level) / 2, method="inverted_cdf"))
    hi = float(np.quantile(ratios, (1 + level) / 2, method="inverted_cdf"))
    return Interval(top / bottom, lo, hi, "bootstrap-identities", n, level)
