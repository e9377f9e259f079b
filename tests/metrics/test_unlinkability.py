"""D_sys and maximal linkability against exact Gaussian values; renewability against scipy."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.unlinkability import d_sys, maximal_linkability, permutation_null, renewability
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp


@pytest.mark.parametrize(
    ("shift", "linkable", "leak"),
    [(0.5, 0.1282, 0.2599), (1, 0.2935, 0.4677), (2, 0.6165, 0.7508), (3, 0.8346, 0.9002), (4, 0.9430, 0.9668)],
)
def test_exact_values_of_shifted_gaussians(shift: float, linkable: float, leak: float) -> None:
    rng = np.random.default_rng(0)
    mated, nonmated = rng.normal(shift, 1, 100_000), rng.normal(0, 1, 100_000)
    assert d_sys(mated, nonmated) == pytest.approx(linkable, abs=0.006)
    assert maximal_linkability(mated, nonmated) == pytest.approx(leak, abs=0.006)
    assert maximal_linkability(mated, nonmated, bins=30) == pytest.approx(leak, abs=0.006)


def test_two_spikes_are_fully_linkable() -> None:
    """The trapezoid of the reference script gives 0.5 here."""
    assert d_sys(np.ones(50), np.zeros(70)) == 1
    assert maximal_linkability(np.ones(50), np.zeros(70)) == 1
    assert d_sys(np.ones(50), np.ones(70)) == 0
    assert maximal_linkability(np.ones(50), np.ones(70)) == 0


def test_half_spikes_by_hand() -> None:
    """Mated 3/4 at 1 and 1/4 at 0, non-mated the reverse: LR = 3, D = 1/2, D_sys = 3/8, M = log2(3/2)."""
    mated, nonmated = np.array([1, 1, 1, 0.0]), np.array([0, 0, 0, 1.0])
    assert d_sys(mated, nonmated, bins=2) == pytest.approx(3 / 8)
    assert maximal_linkability(mated, nonmated, bins=2) == pytest.approx(np.log2(1.5))
    # omega = 1/3 makes the odds even at 1; omega = 9 makes LR omega = 27 and 3.
    assert d_sys(mated, nonmated, omega=1 / 3, bins=2) == pytest.approx(0)
    assert d_sys(mated, nonmated, omega=9, bins=2) == pytest.approx(0.75 * (2 * 27 / 28 - 1) + 0.25 * 0.5)


@pytest.mark.parametrize(
    ("n", "linkable", "leak"),
    [(200, 0.107, 0.263), (500, 0.078, 0.176), (1000, 0.094, 0.098), (5000, 0.036, 0.059), (20_000, 0.013, 0.019)],
)
def test_bias_on_equal_distributions(n: int, linkable: float, leak: float) -> None:
    """Our sheet's values are single draws: they must be ordinary ones among ours (mean +- 3 sd of a draw)."""
    rng = np.random.default_rng(1)
    sets = [(rng.normal(size=n), rng.normal(size=n)) for _ in range(30)]
    for runs, seen in [
        ([d_sys(a, b) for a, b in sets], linkable),
        ([maximal_linkability(a, b, bins=30) for a, b in sets], leak),
    ]:
        assert abs(np.mean(runs) - seen) < 3 * np.std(runs)


@pytest.mark.parametrize("n", [200, 5000])
def test_null_is_the_bias(n: int) -> None:
    rng = np.random.default_rng(1)
    bias = np.mean([d_sys(rng.normal(size=n), rng.normal(size=n)) for _ in range(30)])
    null = permutation_null(rng.normal(size=n), rng.normal(size=n), d_sys, 0, permutations=60)
    assert null.mean == pytest.approx(bias, rel=0.15)
    assert null.quantile > null.mean


def test_null_is_below_a_real_effect_and_takes_settings() -> None:
    rng = np.random.default_rng(0)
    mated, nonmated = rng.normal(1, 1, 500), rng.normal(0, 1, 800)
    measure = partial(d_sys, omega=2.0, bins=15)
    null = permutation_null(mated, nonmated, measure, 0, permutations=100)
    assert measure(mated, nonmated) > null.quantile
    assert null == permutation_null(mated, nonmated, measure, np.random.default_rng(0), permutations=100)
    leak = permutation_null(mated, nonmated, maximal_linkability, 0, permutations=20)
    assert 0 < leak.mean < maximal_linkability(mated, nonmated)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.integers(1, 300), st.integers(1, 300), st.floats(0.1, 10))
def test_range_and_invariance(seed: int, n: int, m: int, omega: float) -> None:
    rng = np.random.default_rng(seed)
    mated, nonmated = rng.normal(0.5, 1, n), rng.normal(0, 1, m)
    assert 0 <= d_sys(mated, nonmated, omega) <= 1
    assert 0 <= maximal_linkability(mated, nonmated) <= 1
    # Powers of two scale exactly, so no score changes its bin.
    assert d_sys(4 * mated, 4 * nonmated, omega) == pytest.approx(d_sys(mated, nonmated, omega))


def test_renewability_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    pseudo, impostor = rng.normal(0.2, 1, 400), rng.normal(0, 1, 900)
    got = renewability(pseudo, impostor, 1.0)
    assert got.ks == pytest.approx(ks_2samp(pseudo, impostor).statistic)
    assert got.fmr == (pseudo > 1.0).mean()
    assert (got.n_pseudo, got.n_impostor) == (400, 900)
    assert renewability(impostor, impostor, 0).ks == 0


def test_refusals() -> None:
    good = np.arange(5.0)
    for arguments in [([], good), (good, [np.nan]), (good, [-np.inf]), (good, good, 0), (good, good, 1, 0)]:
        with pytest.raises(MetricInputError):
            d_sys(*arguments)  # type: ignore[arg-type]
    with pytest.raises(MetricInputError, match="permutations"):
        permutation_null(good, good, d_sys, 0, permutations=0)
    with pytest.raises(MetricInputError):
        renewability(good, [np.nan], 0.5)
