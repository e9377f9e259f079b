"""Intervals: known values, boundary rules, and whether they cover the truth in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.comparisons import sign_flip_p
from faceleak.bench.metrics.intervals import (
    bootstrap_identities,
    paired_difference,
    resample_weights,
    subject_bootstrap_fmr,
    wilson,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_equals_scipy(n: int, share: float, level: float) -> None:
    k = round(share * n)
    expected = binomtest(k, n).proportion_ci(level, method="wilson")
    got = wilson(k, n, level)
    assert (got.lo, got.hi) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= got.lo <= got.value <= got.hi <= 1


def test_wilson_known_values() -> None:
    ends = [(round(w.lo, 3), round(w.hi, 3)) for w in (wilson(0, 200), wilson(200, 200), wilson(100, 200))]
    assert ends == [(0, 0.019), (0.981, 1), (0.431, 0.569)]
    for successes, n in [(1, 0), (-1, 5), (6, 5)]:
        with pytest.raises(MetricInputError):
            wilson(successes, n)


def test_bootstrap_value_and_width() -> None:
    values = np.random.default_rng(0).uniform(size=400)
    got = bootstrap_identities(values, 0)
    half = 1.96 * values.std() / 20
    assert got.value == pytest.approx(values.mean())
    assert (got.lo, got.hi) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)
    assert (got.method, got.n) == ("bootstrap-identities", 400)
    assert got == bootstrap_identities(values, np.random.default_rng(0))
    assert got != bootstrap_identities(values, 1)
    assert bootstrap_identities(values, 0, level=0.5).hi < got.hi


@pytest.mark.parametrize(("value", "n"), [(0.0, 200), (1.0, 200), (0.5, 30)])
def test_collapse_falls_back_to_wilson(value: float, n: int) -> None:
    got, stand_in = bootstrap_identities(np.full(n, value), 0), wilson(value * n, n)
    assert (got.value, got.lo, got.hi) == (stand_in.value, stand_in.lo, stand_in.hi)
    assert (got.method, got.n) == ("wilson-identities", n)


def test_decibels_have_no_wilson() -> None:
    got = bootstrap_identities(np.full(20, 31.5), 0, rate=False)
    assert (got.lo, got.hi, got.method) == (31.5, 31.5, "bootstrap-identities")
    with pytest.raises(MetricInputError, match="rate=False"):
        bootstrap_identities(np.full(20, 31.5), 0)


def test_weights_are_multiplicities() -> None:
    blocks = list(resample_weights(300_000, 0, 9))
    assert len(blocks) == 2  # several blocks, each within the memory bound
    assert np.concatenate(blocks).sum(axis=1).tolist() == [300_000.0] * 9
    one = np.concatenate(list(resample_weights(50, 0, 4000)))
    assert one.mean(axis=0) == pytest.approx(np.ones(50), abs=0.08)
    assert one.var() == pytest.approx(1 - 1 / 50, abs=0.03)


def test_identity_bootstrap_covers_and_pooling_does_not() -> None:
    """Heavy-tailed images per identity and an identity random effect, 200 identities, 800 runs."""
    rng, truth, runs = np.random.default_rng(2), 0.4, 800
    covered, pooled = 0, 0
    for _ in range(runs):
        p = rng.beta(1.2, 1.8, 200)
        images = np.minimum(1 + rng.pareto(1.1, 200).astype(int), 530)
        hits = rng.binomial(images, p)
        macro = bootstrap_identities(hits / images, rng, resamples=1000)
        micro = wilson(hits.sum(), int(images.sum()))
        covered += macro.lo <= truth <= macro.hi
        pooled += micro.lo <= truth <= micro.hi
    assert covered / runs == pytest.approx(0.94, abs=0.025)
    assert pooled / runs < 0.6


def test_subject_bootstrap_covers_far_better_than_pairwise_wilson() -> None:
    """s_ij = u_i + u_j + noise, one image each, 200 identities, FMR 1e-2, 200 runs."""
    rng, n, runs, effect = np.random.default_rng(3), 200, 200, 0.35
    truth = 0.01
    threshold = norm.isf(truth) * np.sqrt(1 + 2 * effect**2)
    upper = np.triu(np.ones((n, n)), 1)
    covered, naive = 0, 0
    for _ in range(runs):
        u = effect * rng.normal(size=n)
        accepts = ((u[:, None] + u[None] + rng.normal(size=(n, n))) > threshold) * upper
        subject = subject_bootstrap_fmr(accepts, upper, rng, resamples=400)
        pairwise = wilson(accepts.sum(), n * (n - 1) // 2)
        covered += subject.lo <= truth <= subject.hi
        naive += pairwise.lo <= truth <= pairwise.hi
    assert covered / runs > 0.9
    assert naive / runs < covered / runs - 0.2


def test_subject_bootstrap_point_symmetry_and_diagonal() -> None:
    rng = np.random.default_rng(0)
    upper = np.triu(np.ones((30, 30)), 1)
    accepts = (rng.uniform(size=(30, 30)) < 0.2) * upper
    got = subject_bootstrap_fmr(accepts, upper, 0)
    assert got.value == pytest.approx(accepts.sum() / 435)
    assert got.lo < got.value < got.hi
    both = subject_bootstrap_fmr(accepts + accepts.T + np.eye(30), upper + upper.T + np.eye(30), 0)
    assert (both.value, both.lo, both.hi) == pytest.approx((got.value, got.lo, got.hi))
    none = subject_bootstrap_fmr(np.zeros((30, 30)), upper, 0)
    assert (none.method, none.lo, none.hi) == ("wilson-identities", 0, wilson(0, 30).hi)
    for bad_accepts, bad_totals in [
        (np.zeros((2, 3)), np.zeros((2, 3))),
        (np.ones((3, 3)), np.ones((2, 2))),
        (2 * np.ones((3, 3)), np.ones((3, 3))),
        (np.zeros((3, 3)), np.eye(3)),
    ]:
        with pytest.raises(MetricInputError):
            subject_bootstrap_fmr(bad_accepts, bad_totals, 0)


def test_pairing_finds_what_two_intervals_hide() -> None:
    rng = np.random.default_rng(0)
    b = rng.uniform(0, 0.9, 100)
    a = b + rng.uniform(0, 0.1, 100)
    apart_a, apart_b, together = bootstrap_identities(a, 0), bootstrap_identities(b, 0), paired_difference(a, b, 0)
    assert apart_a.lo < apart_b.hi  # the separate intervals overlap
    assert together.lo > 0
    assert (together.method, together.n) == ("bootstrap-paired", 100)
    back = paired_difference(b, a, 0)
    assert (back.lo, back.hi) == pytest.approx((-together.hi, -together.lo))


def test_equal_attacks_are_not_certainly_equal() -> None:
    got = paired_difference(np.ones(50), np.ones(50), 0)
    assert (got.value, got.method) == (0, "wilson-paired")
    assert got.lo < 0 < got.hi
    assert paired_difference(np.ones(50), np.zeros(50), 0).hi == 1
    assert paired_difference([30.0, 20.0], [29.0, 19.0], 0, rate=False).lo == 1


def test_sign_flip() -> None:
    rng = np.random.default_rng(0)
    b = rng.uniform(size=60)
    assert sign_flip_p(b, b, 0) == 1
    assert sign_flip_p(b + 0.1, b, 0, permutations=999) == pytest.approx(0.001)
    assert sign_flip_p(np.ones(4), np.zeros(4), 0, 20_000) == pytest.approx(2 / 16, abs=0.01)
    null = [sign_flip_p(rng.normal(size=25), rng.normal(size=25), rng, 199) for _ in range(400)]
    assert np.mean(np.array(null) <= 0.1) == pytest.approx(0.1, abs=0.05)


def test_refusals() -> None:
    for rng in (None, -1, 1.5, True, "0"):
        with pytest.raises(MetricInputError, match="seed"):
            bootstrap_identities([0.1, 0.2], rng)  # type: ignore[arg-type]
    for values in ([], [[0.1]], [np.nan], [-np.inf]):
        with pytest.raises(MetricInputError):
            bootstrap_identities(values, 0)
    with pytest.raises(MetricInputError, match="pair them"):
        paired_difference([0.1], [0.1, 0.2], 0)
    with pytest.raises(MetricInputError, match="resamples"):
        bootstrap_identities([0.1, 0.2], 0, resamples=0)
    with pytest.raises(MetricInputError, match="permutations"):
        sign_flip_p([0.1], [0.2], 0, permutations=0)
    with pytest.raises(MetricInputError, match="level"):
        bootstrap_identities([0.1, 0.2], 0, level=95)
