"""A threshold is the smallest one within its FMR, on all cross-identity pairs, or it is refused."""

from __future__ import annotations

import numpy as np
import pytest
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.thresholds import (
    TooFewFalseAccepts,
    all_pairs_scores,
    calibrate,
    cosine_matrix,
    impostor_counts,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9999), st.integers(100, 1500), st.floats(0.1, 0.9), st.integers(0, 3))
def test_threshold_is_within_the_target_and_minimal(seed: int, n: int, fmr: float, decimals: int) -> None:
    scores = np.random.default_rng(seed).normal(size=n)
    if decimals:  # coarse scores tie
        scores = scores.round(decimals - 1)
    t = calibrate(scores, fmr)
    assert t.false_accepts == (scores > t.value).sum() <= fmr * n
    assert t.fmr == t.false_accepts / n <= fmr
    lower = np.nextafter(t.value, -np.inf)
    assert (scores > lower).mean() > fmr  # anything smaller breaks the target
    if not decimals:
        # One more would break the target: said with counts, since floor(fmr n) itself depends on the last bit of fmr.
        assert (t.false_accepts + 1) / n > fmr


def test_never_the_nearest_rate() -> None:
    scores = np.arange(1000.0)
    t = calibrate(scores, 0.0199)  # 19.9 of 1000: nearest is 20, within is 19
    assert (t.false_accepts, t.value, t.warn) == (19, 980.0, True)
    assert calibrate(scores, 0.29).false_accepts == 290
    assert calibrate(np.arange(100.0), 0.29).false_accepts == 29  # 0.29 * 100 is 28.999... in floats


def test_ties_are_rejected_together() -> None:
    scores = np.r_[np.zeros(900), np.ones(100)]
    t = calibrate(scores, 0.05, n_identities=7)
    assert (t.value, t.false_accepts, t.fmr, t.n_identities, t.warn) == (1.0, 0, 0.0, 7, True)


def test_too_few_false_accepts_are_refused_and_few_warned() -> None:
    scores = np.random.default_rng(0).normal(size=3000)  # LFW's official impostor pairs
    with pytest.raises(TooFewFalseAccepts, match="at least 10000 pairs") as caught:
        calibrate(scores, 1e-3)
    assert (caught.value.fmr, caught.value.n_impostor) == (1e-3, 3000)
    assert caught.value.expected == pytest.approx(3)
    assert calibrate(scores, 1 / 300).warn
    assert calibrate(scores, 0.0099).warn
    assert not calibrate(scores, 0.01).warn


def test_realised_fmr_is_as_scattered_as_the_sheet_says() -> None:
    """30,000 independent pairs at nominal 1e-3: 2.5-97.5 % of the realised FMR is 0.073-0.139 %."""
    from scipy.stats import norm

    rng = np.random.default_rng(0)
    realised = [norm.sf(calibrate(rng.normal(size=30_000), 1e-3).value) for _ in range(600)]
    lo, hi = np.quantile(realised, [0.025, 0.975])
    assert lo == pytest.approx(0.00073, abs=0.00008)
    assert hi == pytest.approx(0.00139, abs=0.0001)


def test_float32_threshold_is_exact() -> None:
    scores = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    t = calibrate(scores, 0.05)
    assert t.value in scores.astype(np.float64)
    assert (scores.astype(np.float64) > t.value).sum() == 50


@pytest.mark.parametrize("chunk", [1, 7, 1024])
def test_all_pairs_equals_the_double_loop(chunk: int) -> None:
    rng = np.random.default_rng(0)
    z, ids = rng.normal(size=(30, 8)), rng.integers(0, 6, 30)
    genuine, impostor = all_pairs_scores(z, ids, chunk=chunk)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    expected: tuple[list[float], list[float]] = ([], [])
    for i in range(30):
        for j in range(i + 1, 30):
            expected[int(ids[i] != ids[j])].append(float(unit[i] @ unit[j]))
    np.testing.assert_allclose(np.sort(genuine), np.sort(expected[0]), atol=1e-6)
    np.testing.assert_allclose(np.sort(impostor), np.sort(expected[1]), atol=1e-6)
    assert genuine.size + impostor.size == 30 * 29 // 2


@pytest.mark.parametrize("chunk", [1, 7, 1024])
def test_impostor_counts_add_up(chunk: int) -> None:
    rng = np.random.default_rng(0)
    z, ids = rng.normal(size=(40, 4)), np.array([f"p{i}" for i in rng.integers(0, 9, 40)])
    _, impostor = all_pairs_scores(z, ids)
    accepts, totals = impostor_counts(z, ids, 0.2, chunk=chunk)
    assert accepts.sum() / 2 == (impostor > np.float32(0.2)).sum()
    assert totals.sum() / 2 == impostor.size
    assert (accepts == accepts.T).all()
    assert not accepts.diagonal().any()
    assert not totals.diagonal().any()
    first, second = np.unique(ids)[:2]
    block = cosine_matrix(z[ids == first], z[ids == second])
    assert accepts[0, 1] == (block > 0.2).sum()
    assert totals[0, 1] == block.size


def test_another_similarity() -> None:
    codes = np.random.default_rng(0).integers(0, 2, (10, 16))

    def agreement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a[:, None] == b[None]).mean(axis=2)

    genuine, impostor = all_pairs_scores(codes, np.arange(10) // 2, similarity=agreement)
    assert genuine.size == 5
    assert 0 <= impostor.min() <= impostor.max() <= 1


def test_refusals() -> None:
    for scores, fmr in [([], 0.1), ([np.nan] * 500, 0.1), ([np.inf] * 500, 0.1), ([0.0] * 500, 0), ([0.0] * 500, 10)]:
        with pytest.raises(MetricInputError):
            calibrate(scores, fmr)
    with pytest.raises(MetricInputError, match="all zero"):
        all_pairs_scores(np.zeros((3, 2)), [0, 1, 2])
    with pytest.raises(MetricInputError, match="identities"):
        all_pairs_scores(np.ones((3, 2)), [0, 1])
    with pytest.raises(MetricInputError, match="chunk"):
        all_pairs_scores(np.ones((3, 2)), [0, 1, 2], chunk=0)
