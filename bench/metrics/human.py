"""What people make of line-ups: sensitivity in a forced choice, the ratio to a baseline, agreement between raters."""

from __future__ import annotations

from math import exp, inf, log, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr

from .arrays import MetricInputError, check_share
from .intervals import Interval, wilson

_MOST = 10.0  # a d' beyond it cannot be told from perfect


def forced_choice_rate(d: float, alternatives: int) -> float:
    """Share of correct choices of an unbiased observer of sensitivity ``d`` among ``alternatives`` faces.

        P = integral phi(x - d) Phi(x)^(m - 1) dx

    Green and Swets 1966. The true face's evidence is N(d, 1), that of each of the other m - 1 is N(0, 1).

    Args:
        d: d', any finite number; 0 is chance, 1 / m.
        alternatives: m, >= 2.

    Raises:
        MetricInputError: fewer than two alternatives.

    >>> round(forced_choice_rate(0, 4), 4), round(forced_choice_rate(1, 2), 4)
    (0.25, 0.7602)
    """
    if alternatives < 2:
        raise MetricInputError(f"alternatives is {alternatives}; a choice needs at least 2")
    density = NormalDist(d, 1).pdf
    # Beyond 9 deviations from the mean the density adds nothing to 16 digits.
    return float(quad(lambda x: density(x) * ndtr(x) ** (alternatives - 1), d - 9, d + 9, limit=200)[0])


def d_prime_forced_choice(correct: float, n: int, alternatives: int, level: float = 0.95) -> Interval:
    """d' from the correct choices among m alternatives: the inverse of `forced_choice_rate`.

    A rate of 1 has no finite d' (one of 0 neither): it is drawn in by half a trial, (n - 1/2) / n, as is usual
    (Macmillan and Kaplan 1985). The interval is the image of the rate's Wilson interval.

    Args:
        correct: choices of the true face, in [0, n].
        n: independent choices, >= 1.
        alternatives: m faces to choose from, >= 2.
        level: nominal coverage, fraction.

    Returns:
        `Interval` within [-10, 10], method "wilson", n = choices.

    Raises:
        MetricInputError: counts that do not fit, fewer than two alternatives.

    >>> found = d_prime_forced_choice(76, 100, 2)
    >>> f"{found.value:.2f} [{found.lo:.2f}, {found.hi:.2f}]"
    '1.00 [0.61, 1.37]'
    """
    ends = wilson(correct, n, level)
    low, high = (forced_choice_rate(sign * _MOST, alternatives) for sign in (-1, 1))

    def sensitivity(rate: float) -> float:
        if not low < rate < high:
            return -_MOST if rate <= low else _MOST
        return float(brentq(lambda d: forced_choice_rate(d, alternatives) - rate, -_MOST, _MOST, xtol=1e-6))

    drawn = min(max(correct / n, 0.5 / n), 1 - 0.5 / n)
    value, lo, hi = (sensitivity(rate) for rate in (drawn, ends.lo, ends.hi))
    return Interval(value, min(lo, value), max(hi, value), "wilson", n, level)


def rate_ratio(hits: int, n: int, base_hits: int, base_n: int, level: float = 0.95) -> Interval:
    """How many times as often as in the baseline: a ratio of two independent rates.

        log ratio +- z sqrt(1/hits - 1/n + 1/base_hits - 1/base_n)

    Katz et al. 1978. Where a count is 0 the logarithm has no end: then the Wilson ends bound the ratio,
    lo(rate) / hi(baseline) and hi(rate) / lo(baseline).

    Args:
        hits: successes, in [0, n].
        n: independent trials, >= 1.
        base_hits: successes of the baseline, in [0, base_n].
        base_n: its trials, >= 1.
        level: nominal coverage, fraction.

    Returns:
        `Interval`, method "log-ratio" or "wilson-bound"; `value` and `hi` may be infinite, n = n + base_n.

    Raises:
        MetricInputError: counts that do not fit, or both rates are 0 (no ratio).

    >>> found = rate_ratio(40, 100, 10, 100)
    >>> f"{found.value:.1f} [{found.lo:.2f}, {found.hi:.2f}]"
    '4.0 [2.12, 7.55]'
    """
    check_share(level, "level")
    own, base = wilson(hits, n, level), wilson(base_hits, base_n, level)
    if not hits and not base_hits:
        raise MetricInputError(f"0 of {n} and 0 of {base_n} trials succeeded; there is no ratio, report the rates")
    if not hits or not base_hits:
        value = own.value / base.value if base_hits else inf
        hi = own.hi / base.lo if base.lo > 0 else inf
        return Interval(value, own.lo / base.hi, hi, "wilson-bound", n + base_n, level)
    ratio = own.value / base.value
    half = NormalDist().inv_cdf((1 + level) / 2) * sqrt(1 / hits - 1 / n + 1 / base_hits - 1 / base_n)
    return Interval(ratio, exp(log(ratio) - half), exp(log(ratio) + half), "log-ratio", n + base_n, level)


def kappa_free(counts: npt.ArrayLike) -> float:
    """Agreement of raters beyond chance where the alternatives of each trial are others: kappa with free marginals.

        P_o = mean over trials of sum_j c_j (c_j - 1) / (R (R - 1)),    kappa = (P_o - 1/m) / (1 - 1/m)

    Randolph 2005. Fleiss' kappa takes chance from how often a category is used; the third face of one line-up has
    nothing to do with the third of another, so chance is 1 / m here.

    Args:
        counts: (T, m) raters who chose alternative j of trial t; R may differ from trial to trial, and trials with
            fewer than two raters say nothing.

    Returns:
        kappa in [-1 / (m - 1), 1].

    Raises:
        MetricInputError: no such table, or no trial with two raters.

    >>> kappa_free([[3, 0, 0], [0, 3, 0]]), round(kappa_free([[2, 1, 0], [1, 1, 1]]), 3)
    (1.0, -0.25)
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2 or (table < 0).any():
        raise MetricInputError(f"counts has shape {table.shape}; it is (trials, alternatives >= 2), none negative")
    raters = table.sum(1)
    table, raters = table[raters >= 2], raters[raters >= 2]
    if not len(table):
        raise MetricInputError("no trial was answered by two raters; agreement needs two")
    agreed = float(((table * (table - 1)).sum(1) / (raters * (raters - 1))).mean())
    chance = 1 / table.shape[1]
    return (agreed - chance) / (1 - chance)
