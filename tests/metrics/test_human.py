"""Measures of people's choices against published values, simulation and algebra."""

from __future__ import annotations

import numpy as np
import pytest
from faceleak.metrics import MetricInputError, d_prime_forced_choice, forced_choice_rate, kappa_free, rate_ratio


@pytest.mark.parametrize("d", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("m", [2, 6])
def test_the_rate_is_that_of_an_observer_who_takes_the_largest(d: float, m: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200_000, m))
    x[:, 0] += d
    assert forced_choice_rate(d, m) == pytest.approx((x.argmax(1) == 0).mean(), abs=0.004)


def test_two_alternatives_have_the_closed_form() -> None:
    """P = Phi(d / sqrt 2)."""
    from scipy.stats import norm

    for d in (-1.0, 0.3, 2.5):
        assert forced_choice_rate(d, 2) == pytest.approx(norm.cdf(d / np.sqrt(2)), abs=1e-7)


def test_d_prime_is_the_inverse_and_stays_finite() -> None:
    for m in (2, 6):
        found = d_prime_forced_choice(forced_choice_rate(1.3, m) * 1000, 1000, m)
        assert found.value == pytest.approx(1.3, abs=1e-3)
        assert found.lo < 1.3 < found.hi
    chance = d_prime_forced_choice(20, 120, 6)
    assert chance.value == pytest.approx(0, abs=1e-3)
    for hits in (0, 12):
        found = d_prime_forced_choice(hits, 12, 6)
        assert -10 <= found.lo <= found.value <= found.hi <= 10
    with pytest.raises(MetricInputError, match="at least 2"):
        d_prime_forced_choice(1, 2, 1)


def test_the_ratio_covers_what_it_estimates() -> None:
    rng = np.random.default_rng(1)
    hits, base = rng.binomial(200, 0.4, 400), rng.binomial(200, 0.1, 400)
    found = [rate_ratio(int(a), 200, int(b), 200) for a, b in zip(hits, base, strict=True)]
    assert 0.91 <= np.mean([one.lo <= 4 <= one.hi for one in found]) <= 0.99


def test_a_ratio_without_a_logarithm_is_bounded() -> None:
    found = rate_ratio(5, 20, 0, 20)
    assert (found.value, found.hi, found.method) == (np.inf, np.inf, "wilson-bound")
    assert 0 < found.lo < 2
    found = rate_ratio(0, 20, 5, 20)
    assert found.value == 0 == found.lo < found.hi < 3
    with pytest.raises(MetricInputError, match="no ratio"):
        rate_ratio(0, 20, 0, 20)


def test_agreement() -> None:
    assert kappa_free([[4, 0, 0, 0], [0, 4, 0, 0]]) == 1
    assert kappa_free([[1, 1]]) == -1
    rng = np.random.default_rng(2)
    assert kappa_free(rng.multinomial(8, [1 / 4] * 4, 4000)) == pytest.approx(0, abs=0.01)
    assert kappa_free([[2, 0], [1, 0]]) == 1, "one rater says nothing"
    for bad in ([[1, 0]], [1, 2], [[3], [2]]):
        with pytest.raises(MetricInputError):
            kappa_free(bad)
