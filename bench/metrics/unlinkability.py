"""Template protection: unlinkability (D_sys, maximal linkability) and renewability, ISO/IEC 24745 and 30136.

Mated scores compare two templates of one person under *different* keys, non-mated scores templates of different
persons under different keys. Both measures are estimated on histograms and far from 0 for small samples of one
distribution (D_sys of 200 scores: about 0.1): always print the permutation null beside them, and the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import MetricInputError, Rng, as_rng, check_scores, check_share, check_values
from .verification import false_match_rate

Masses = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Null:
    """What a measure reads when the labels mean nothing.

    Attributes:
        mean: mean over shuffles; the bias to subtract.
        quantile: the `level` quantile over shuffles; a value above it is not chance.
        level: that level, fraction.
        permutations: number of shuffles.
    """

    mean: float
    quantile: float
    level: float
    permutations: int


@dataclass(frozen=True)
class Renewability:
    """Whether a re-issued template looks like another person's.

    Attributes:
        fmr: share of pseudo-impostor scores above the threshold; should be about the threshold's FMR.
        ks: Kolmogorov-Smirnov distance to the true impostors, range [0, 1]; should be about 0.
        n_pseudo: pseudo-impostor scores.
        n_impostor: true impostor scores.
    """

    fmr: float
    ks: float
    n_pseudo: int
    n_impostor: int


def d_sys(mated: npt.ArrayLike, nonmated: npt.ArrayLike, omega: float = 1.0, bins: int | None = None) -> float:
    """Global linkability D_sys: how much of the mated mass sits where it can be told from the non-mated.

        LR(s) = p(s | mated) / p(s | nonmated)
        D(s)  = 0                                         if omega LR(s) <= 1
              = 2 omega LR(s) / (1 + omega LR(s)) - 1     otherwise, 1 where only mated scores fall
        D_sys = integral p(s | mated) D(s) ds = sum over bins of (mated mass in bin) * D(bin)

    Gomez-Barrero et al., IEEE TIFS 2018. Rectangle sum over equal bins between the least and the greatest
    score; the reference script's trapezoid loses half of a one-bin spike.

    Args:
        mated: (n,) scores, finite.
        nonmated: (m,) scores, finite.
        omega: prior ratio P(mated) / P(nonmated), > 0.
        bins: number of bins; None = a tenth of the smaller set, within [10, 100] (the reference's rule).

    Returns:
        D_sys in [0, 1]; 0 unlinkable, 1 fully linkable.

    Raises:
        MetricInputError: empty or non-finite scores, omega <= 0, bins < 1.
    """
    if not 0 < omega < np.inf:
        raise MetricInputError(f"omega is {omega}; it is a ratio of priors, > 0 (1 by default)")
    p_mated, p_nonmated = _histograms(mated, nonmated, bins)
    odds, rest = omega * p_mated, p_nonmated
    # 2 r / (1 + r) - 1 with r = odds / rest, written so that rest = 0 gives 1 and empty bins give 0.
    local = np.divide(odds - rest, odds + rest, out=np.zeros_like(odds), where=odds > rest)
    return float((p_mated * local).sum())


def maximal_linkability(mated: npt.ArrayLike, nonmated: npt.ArrayLike, bins: int | None = None) -> float:
    """Maximal leakage about "same or different person" from one score.

        M = log2 sum_bins max(mated mass, nonmated mass)

    Otroshi Shahreza, Shkel, Marcel, IEEE TIFS 2023. Needs no prior.

    Args:
        mated: (n,) scores, finite.
        nonmated: (m,) scores, finite.
        bins: as for `d_sys`.

    Returns:
        M in [0, 1] bit; 0 unlinkable, 1 fully linkable.

    Raises:
        MetricInputError: empty or non-finite scores, bins < 1.
    """
    p_mated, p_nonmated = _histograms(mated, nonmated, bins)
    return float(np.log2(np.clip(np.maximum(p_mated, p_nonmated).sum(), 1.0, 2.0)))  # rounding may leave [1, 2]


def permutation_null(
    mated: npt.ArrayLike,
    nonmated: npt.ArrayLike,
    measure: Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], float],
    rng: Rng,
    permutations: int = 200,
    level: float = 0.95,
) -> Null:
    """What `measure` reads on the same scores with the labels mated / non-mated shuffled.

    Args:
        mated: (n,) scores, finite.
        nonmated: (m,) scores, finite.
        measure: `d_sys`, `maximal_linkability`, or a function of (mated, nonmated) with other settings.
        rng: numpy Generator or int seed.
        permutations: shuffles, >= 1.
        level: quantile to report, fraction.

    Returns:
        `Null`. Scores that share a person are not independent, so the null is a lower bound of the bias.

    Raises:
        MetricInputError: empty or non-finite scores, or no shuffle.
    """
    first, second = check_values(mated, "mated"), check_values(nonmated, "nonmated")
    check_share(level, "level")
    if permutations < 1:
        raise MetricInputError(f"permutations is {permutations}; shuffle at least once (200 is the default)")
    generator, pool = as_rng(rng), np.concatenate([first, second]).astype(np.float64)
    values = []
    for _ in range(permutations):
        shuffled = generator.permutation(pool)
        values.append(measure(shuffled[: first.size], shuffled[first.size :]))
    return Null(float(np.mean(values)), float(np.quantile(values, level)), level, permutations)


def renewability(pseudo_impostor: npt.ArrayLike, impostor: npt.ArrayLike, threshold: float) -> Renewability:
    """Pseudo-impostors (same person, different key) against true impostors.

        fmr = P(pseudo > threshold),   ks = sup_s |F_pseudo(s) - F_impostor(s)|

    Args:
        pseudo_impostor: (n,) scores, pooled over at least 10 re-issued keys.
        impostor: (m,) scores of different persons under different keys.
        threshold: accept when score > threshold; the defended system's own.

    Returns:
        `Renewability`; renewable when fmr is about the threshold's FMR and ks about 0.

    Raises:
        MetricInputError: empty scores or NaN.
    """
    pseudo = np.sort(check_scores(pseudo_impostor, "pseudo_impostor").astype(np.float64))
    other = np.sort(check_scores(impostor, "impostor").astype(np.float64))
    places = np.concatenate([pseudo, other])
    gap = np.searchsorted(pseudo, places, "right") / pseudo.size - np.searchsorted(other, places, "right") / other.size
    return Renewability(false_match_rate(pseudo, threshold), float(np.abs(gap).max()), pseudo.size, other.size)


def _histograms(mated: npt.ArrayLike, nonmated: npt.ArrayLike, bins: int | None) -> tuple[Masses, Masses]:
    """Bin masses of both sets on common equal bins; each sums to 1."""
    first = check_values(mated, "mated").astype(np.float64)
    second = check_values(nonmated, "nonmated").astype(np.float64)
    count = min(100, max(10, min(first.size, second.size) // 10)) if bins is None else bins
    if count < 1:
        raise MetricInputError(f"bins is {bins}; pass at least one, or None for the rule")
    low, high = min(first.min(), second.min()), max(first.max(), second.max())
    if not high > low:  # every score equal: one bin, nothing to link
        return np.ones(1), np.ones(1)
    edges = np.linspace(low, high, count + 1)
    return np.histogram(first, edges)[0] / first.size, np.histogram(second, edges)[0] / second.size
