"""Is A better than B: differences paired by identity, an exact sign-flip test, and Holm's correction over a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import MetricInputError, Rng, as_rng, check_share, check_values
from .intervals import ends_of, wilson

_LATTICE = 20_000  # steps of the sum of all differences that the exact test tells apart
_DIVISORS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30, 60)
_POINT = 1e-12
_BLOCK = 2_000_000  # signs held at once


@dataclass(frozen=True)
class Difference:
    """A minus B.

    Attributes:
        value: mean over identities.
        lo: lower end.
        hi: upper end.
        p: two-sided, of no difference, before any correction.
        n: identities that both have.
    """

    value: float
    lo: float
    hi: float
    p: float
    n: int


def difference(
    a: npt.ArrayLike, b: npt.ArrayLike, draws: npt.ArrayLike, level: float = 0.95, *, rate: bool = True
) -> Difference:
    """A minus B with interval and p.

    Args:
        a: (I,) values of A by identity.
        b: (I,) values of B, the same identities in the same order.
        draws: (B,) resampled differences, thresholds drawn anew too where they matter.
        level: nominal coverage, fraction.
        rate: values are shares; where no draw differs, the ends are then Wilson's of 0 in I, the share of identities
            that may differ unseen.

    Raises:
        MetricInputError: lengths differ, empty, or not finite.
    """
    check_share(level, "level")
    gaps = _gaps(a, b)
    value = float(gaps.mean())
    lo, hi = ends_of(check_values(draws, "draws"), level)
    if rate and hi - lo < _POINT:
        unseen = wilson(0, gaps.size, level).hi
        lo, hi = max(-1.0, value - unseen), min(1.0, value + unseen)
    return Difference(value, min(lo, value), max(hi, value), exact_sign_flip_p(a, b), gaps.size)


def exact_sign_flip_p(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Two-sided p of "A and B do not differ" over all 2^I signs of the identities' differences.

        p = P(|sum_i s_i |a_i - b_i|| >= |sum_i (a_i - b_i)|),   s_i = -1 or 1, each with probability one half

    By adding one identity at a time to the distribution of the sum, on a lattice: exact where the differences are
    multiples of one fraction, as rates over a few photographs are; else they are rounded to 1 / 20,000 of their sum. A
    random sample of signs, `sign_flip_p`, cannot give a p small enough to survive a correction for a board.

    Args:
        a: (I,) values of A by identity.
        b: (I,) values of B, the same identities in the same order.

    Returns:
        p in (0, 1]; 1 where nobody differs.

    Raises:
        MetricInputError: lengths differ, empty, or not finite.

    >>> exact_sign_flip_p([1, 1, 1, 1, 1], [0, 0, 0, 0, 0])  # all five heads or all five tails: 2 / 2^5
    0.0625
    """
    steps = _on_lattice(_gaps(a, b))
    steps = steps[steps != 0]
    total = int(np.abs(steps).sum())
    if not total:
        return 1.0
    share = np.zeros(total + 1)  # of the sum of those with a plus
    share[0], reached = 1.0, 0
    for step in np.sort(np.abs(steps)):
        share[: reached + step + 1] *= 0.5
        share[step : reached + step + 1] += share[: reached + 1].copy()
        reached += int(step)
    seen = abs(int(steps.sum()))
    sums = np.abs(2 * np.arange(total + 1) - total)
    return min(1.0, max(float(share[sums >= seen].sum()), np.finfo(float).tiny))


def sign_flip_p(a: npt.ArrayLike, b: npt.ArrayLike, rng: Rng, permutations: int = 9999) -> float:
    """Two-sided p of "A and B do not differ", by flipping the sign of each identity's difference at random.

        p = (1 + #(|T*| >= |T|)) / (1 + permutations),   T = sum_i (a_i - b_i)

    Never 0. The method recommended for paired evaluations in arXiv 2511.19794.

    Args:
        a: (I,) per-identity values of A.
        b: (I,) per-identity values of B, same identities in the same order.
        rng: numpy Generator or int seed.
        permutations: random sign patterns, >= 1.

    Returns:
        p in (0, 1]; 1 when a equals b.

    Raises:
        MetricInputError: different lengths, empty, non-finite, or no permutation.
    """
    differences = _gaps(a, b)
    if permutations < 1:
        raise MetricInputError(f"permutations is {permutations}; draw at least one")
    generator, n = as_rng(rng), differences.size
    # Equal sums in another order of addition must count as equal.
    observed = abs(float(differences.sum())) * (1 - 1e-12) - _POINT * float(np.abs(differences).sum())
    extreme, block = 0, max(1, _BLOCK // n)
    for start in range(0, permutations, block):
        signs = generator.integers(0, 2, (min(block, permutations - start), n), dtype=np.int8) * 2.0 - 1
        extreme += int((np.abs(signs @ differences) >= observed).sum())
    return (1 + extreme) / (1 + permutations)


def holm(p: Sequence[float]) -> list[float]:
    """p adjusted so that all comparisons together err at most as often as one of them would (Holm 1979).

        p*_(k) = max over j <= k of min(1, (m - j + 1) p_(j)),   p_(1) <= ... <= p_(m)

    Raises:
        MetricInputError: a p outside [0, 1].

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    if values.size and not ((values >= 0) & (values <= 1)).all():
        raise MetricInputError(f"p spans [{values.min():.4g}, {values.max():.4g}]; probabilities are within [0, 1]")
    order = np.argsort(values, kind="stable")
    raised = np.minimum(1.0, values[order] * (values.size - np.arange(values.size)))
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(raised)
    return [float(one) for one in adjusted]


def _on_lattice(gaps: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    total = float(np.abs(gaps).sum())
    for divisor in _DIVISORS:
        steps = gaps * divisor
        if total * divisor <= 10 * _LATTICE and np.abs(steps - np.rint(steps)).max() < 1e-9:
            return np.rint(steps).astype(np.int64)
    return np.rint(gaps * (_LATTICE / total)).astype(np.int64)


def _gaps(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    first, second = check_values(a, "a").astype(np.float64), check_values(b, "b").astype(np.float64)
    if first.shape != second.shape:
        raise MetricInputError(f"a has {first.size} identities, b {second.size}; pair them by identity first")
    return first - second
