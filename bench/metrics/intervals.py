"""Intervals whose unit is the person: Wilson, identity bootstrap, subject bootstrap of an FMR, paired differences.

Images of one person resemble each other, so pooling all images pretends to more evidence than there is (a
nominal 95 % Wilson interval then covers the truth in about half of the runs). Everything here resamples identities.
Every function takes its randomness as a numpy Generator or an int seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from .arrays import FloatArray, MetricInputError, Rng, as_rng, check_share, check_values

_BLOCK = 2_000_000  # resampling weights held at once (16 MB)
_POINT = 1e-12  # an interval narrower than this is rounding
EDGE = 10.0  # successes, or failures, counted in identities: with fewer a rate is at the edge


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        value: the point estimate.
        lo: lower end.
        hi: upper end.
        method: how it was made, as printed in `ci_method`.
        n: number of resampled units (identities; trials for a plain Wilson interval).
        level: nominal coverage, fraction.
    """

    value: float
    lo: float
    hi: float
    method: str
    n: int
    level: float = 0.95


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Wilson score interval of a proportion, never a point at 0 or 1.

        centre = (p + z^2 / 2n) / (1 + z^2 / n)
        half   = z sqrt(p (1 - p) / n + z^2 / 4n^2) / (1 + z^2 / n),   p = successes / n

    Wilson 1927. Valid for *independent* trials: one per identity.

    Args:
        successes: count in [0, n]; a fraction is allowed (a macro mean times n).
        n: trials, >= 1; a fraction is allowed (trials that count).
        level: nominal coverage, fraction.

    Returns:
        `Interval` with method "wilson", within [0, 1].

    Raises:
        MetricInputError: n < 1, successes outside [0, n], or a level outside (0, 1).

    >>> found = wilson(0, 200)
    >>> f"{found.lo:.3f} {found.hi:.3f}"
    '0.000 0.019'
    """
    check_share(level, "level")
    if n < 1 or not 0 <= successes <= n:
        raise MetricInputError(f"wilson got {successes} successes of {n} trials; pass n >= 1 and 0 <= successes <= n")
    z, p = NormalDist().inv_cdf((1 + level) / 2), successes / n
    shrink = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / shrink
    # p is inside by algebra; min and max keep rounding from putting it a hair outside.
    return Interval(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)), "wilson", int(n), level)


def bootstrap_identities(
    per_identity_values: npt.ArrayLike,
    rng: Rng,
    resamples: int = 2000,
    level: float = 0.95,
    *,
    rate: bool = True,
) -> Interval:
    """Percentile bootstrap of the macro mean (mean over identities of their own means).

    Identities are drawn with replacement; the ends are the (1 -+ level) / 2 quantiles of the resampled means.
    Towards 0 and 1, where fewer than EDGE identities' worth of successes or failures decide, percentiles say little,
    and at 0, at 1 and where all resampled means agree the bootstrap collapses to a point; there the Wilson interval
    with n = number of identities stands in.

    Args:
        per_identity_values: (I,) one value per identity, e.g. `IdentityRates.values`.
        rng: numpy Generator or int seed.
        resamples: bootstrap draws.
        level: nominal coverage, fraction.
        rate: the values are shares in [0, 1] (False: decibels, distances; no Wilson there).

    Returns:
        `Interval`, method "bootstrap-identities" or "wilson-identities", n = I.

    Raises:
        MetricInputError: empty, non-finite, or a rate outside [0, 1].

    >>> bootstrap_identities([1, 1, 1, 1], rng=0).method  # every draw is 1: the bootstrap would be a point
    'wilson-identities'
    """
    values = check_values(per_identity_values, "per_identity_values").astype(np.float64)
    return mean_interval(values, resample_weights(values.size, rng, resamples), level, rate=rate)


def mean_interval(
    per_identity_values: npt.ArrayLike,
    weights: Iterable[npt.NDArray[np.float64]],
    level: float = 0.95,
    *,
    rate: bool = True,
) -> Interval:
    """`bootstrap_identities` with resamples that are there already.

    Args:
        per_identity_values: (I,) one value per identity.
        weights: blocks (r, I) of multiplicities, as `resample_weights` gives them.
        level: nominal coverage, fraction.
        rate: the values are shares in [0, 1].

    Raises:
        MetricInputError: as `bootstrap_identities`.
    """
    values = check_values(per_identity_values, "per_identity_values").astype(np.float64)
    check_share(level, "level")
    if rate and (values.min() < 0 or values.max() > 1):
        raise MetricInputError(
            f"per_identity_values span [{values.min():.4g}, {values.max():.4g}]; a rate is in [0, 1], "
            "pass rate=False for anything else"
        )
    n, value = values.size, float(values.mean())
    means = np.concatenate([w @ values for w in weights]) / n
    lo, hi = ends_of(means, level)
    if rate and (hi - lo < _POINT or min(value, 1 - value) * n < EDGE):
        stand_in = edge_interval(values, level)
        return Interval(value, stand_in.lo, stand_in.hi, "wilson-identities", n, level)
    return Interval(value, lo, hi, "bootstrap-identities", n, level)


def edge_interval(per_identity_values: npt.NDArray[np.float64], level: float = 0.95) -> Interval:
    """Wilson interval of a macro rate near 0 or 1.

    A share within an identity varies less than one trial does, so the trials that count are

        m = n p (1 - p) / s^2,   s^2 the variance of the values between identities, n <= m

    which is n where every value is 0 or 1; and n where all are equal, because then nothing is known of s^2.

    Args:
        per_identity_values: (I,) shares in [0, 1].
        level: nominal coverage, fraction.
    """
    n, p = per_identity_values.size, min(max(float(per_identity_values.mean()), 0.0), 1.0)
    spread = float(per_identity_values.var(ddof=1)) if n > 1 else 0.0
    trials = max(n, n * p * (1 - p) / spread) if spread > _POINT else n
    return wilson(p * trials, trials, level)


def subject_bootstrap_fmr(
    accepts: npt.ArrayLike, totals: npt.ArrayLike, rng: Rng, resamples: int = 2000, level: float = 0.95
) -> Interval:
    """Interval of a false match rate over all cross-identity pairs; both owners of a pair are resampled.

        FMR* = sum_{i != j} w_i w_j A_ij / sum_{i != j} w_i w_j N_ij

    with w the multiplicities of identities drawn with replacement. A pair of two copies of one identity is not
    an impostor pair: the diagonal is dropped. After the subsets bootstrap of Bolle, Ratha, Pankanti, CVIU 2004.

    Args:
        accepts: (I, I) accepted image pairs between identities i and j (symmetric, or one triangle).
        totals: (I, I) image pairs compared, in the same form; see `thresholds.impostor_counts`.
        rng: numpy Generator or int seed.
        resamples: bootstrap draws.
        level: nominal coverage, fraction.

    Returns:
        `Interval` of the FMR (pooled over pairs), method "bootstrap-subjects", n = I; "wilson-identities" where
        the bootstrap collapses (no accept at all).

    Raises:
        MetricInputError: not square, different shapes, accepts outside [0, totals], or no pair.
    """
    hits, pairs = np.array(accepts, dtype=np.float64), np.array(totals, dtype=np.float64)
    if hits.ndim != 2 or hits.shape[0] != hits.shape[1] or hits.shape != pairs.shape:
        raise MetricInputError(f"accepts is {hits.shape} and totals {pairs.shape}; both are (identities, identities)")
    np.fill_diagonal(hits, 0)
    np.fill_diagonal(pairs, 0)
    if not (hits >= 0).all() or not (hits <= pairs).all() or not 0 < pairs.sum() < np.inf:
        raise MetricInputError("accepts leave [0, totals], or no pair was compared; count both over the same pairs")
    check_share(level, "level")
    n, value = len(hits), float(hits.sum() / pairs.sum())
    rates = []
    for w in resample_weights(n, rng, resamples):
        denominator = ((w @ pairs) * w).sum(axis=1)
        usable = denominator > 0  # a draw of one identity only has no pair
        rates.append(((w @ hits) * w).sum(axis=1)[usable] / denominator[usable])
    lo, hi = ends_of(np.concatenate([*rates, np.empty(0)]), level, fallback=value)
    if hi - lo < _POINT:
        stand_in = wilson(value * n, n, level)
        return Interval(value, stand_in.lo, stand_in.hi, "wilson-identities", n, level)
    return Interval(value, lo, hi, "bootstrap-subjects", n, level)


def paired_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    rng: Rng,
    resamples: int = 2000,
    level: float = 0.95,
    *,
    rate: bool = True,
) -> Interval:
    """Interval of mean(a - b), paired by identity. "A beats B" is said only when it excludes 0.

    Identities are resampled; a and b of one identity stay together. If all differences are equal the bootstrap
    collapses; for rates the ends are then widened by the Wilson upper end of 0 in I (the share of identities
    that may differ unseen, each by at most 1).

    Args:
        a: (I,) per-identity values of A.
        b: (I,) per-identity values of B, same identities in the same order.
        rng: numpy Generator or int seed.
        resamples: bootstrap draws.
        level: nominal coverage, fraction.
        rate: the values are shares in [0, 1].

    Returns:
        `Interval`, method "bootstrap-paired" or "wilson-paired", n = I.

    Raises:
        MetricInputError: different lengths, empty or non-finite.
    """
    differences = _differences(a, b)
    plain = bootstrap_identities(differences, rng, resamples, level, rate=False)
    if rate and plain.hi - plain.lo < _POINT:
        unseen = wilson(0, plain.n, level).hi
        lo, hi = max(-1.0, plain.value - unseen), min(1.0, plain.value + unseen)
        return Interval(plain.value, lo, hi, "wilson-paired", plain.n, level)
    return Interval(plain.value, plain.lo, plain.hi, "bootstrap-paired", plain.n, level)


def resample_weights(n: int, rng: Rng, resamples: int) -> Iterator[npt.NDArray[np.float64]]:
    """Multiplicities (r, n) of n identities drawn n times with replacement, in blocks of at most 16 MB.

    Raises:
        MetricInputError: resamples < 1.
    """
    if resamples < 1:
        raise MetricInputError(f"resamples is {resamples}; draw at least one (2000 is the default)")
    generator, block = as_rng(rng), max(1, _BLOCK // n)
    for start in range(0, resamples, block):
        r = min(block, resamples - start)
        drawn = generator.integers(0, n, (r, n)) + n * np.arange(r)[:, None]
        yield np.bincount(drawn.ravel(), minlength=r * n).reshape(r, n).astype(np.float64)


def ends_of(draws: FloatArray, level: float, fallback: float = 0.0) -> tuple[float, float]:
    """The (1 -+ level) / 2 quantiles of the draws; ``fallback`` twice where there are none."""
    if not draws.size:
        return fallback, fallback
    lo, hi = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(lo), float(hi)


def _differences(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    first, second = check_values(a, "a").astype(np.float64), check_values(b, "b").astype(np.float64)
    if first.shape != second.shape:
        raise MetricInputError(f"a has {first.size} identities, b {second.size}; pair them by identity first")
    return first - second
