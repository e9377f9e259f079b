"""Frechet distance and KID: closed forms, scipy, pytorch-fid, a naive KID."""

from __future__ import annotations

import numpy as np
import pytest
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.distribution import frechet_distance, kid, real_floor
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_fid.fid_score import calculate_frechet_distance


def moments(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return a.mean(0), np.cov(a, rowvar=False)


def test_agrees_with_pytorch_fid() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(400, 12)) @ rng.normal(size=(12, 12))
    b = rng.normal(size=(300, 12)) @ rng.normal(size=(12, 12)) + 0.5
    assert frechet_distance(a, b) == pytest.approx(calculate_frechet_distance(*moments(a), *moments(b)), rel=1e-6)


def test_known_gaussians() -> None:
    """Exact moments (whitened samples): |m|^2 + sum (s - 1)^2 for diagonal covariances."""
    rng = np.random.default_rng(0)
    white = rng.normal(size=(500, 4))
    white -= white.mean(0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white, rowvar=False))).T
    scale, shift = np.array([1.0, 2.0, 0.5, 3.0]), np.array([1.0, 0.0, -2.0, 0.0])
    assert frechet_distance(white, white * scale + shift) == pytest.approx(5 + (0 + 1 + 0.25 + 4), rel=1e-9)


@pytest.mark.parametrize("n", [300, 1000])
def test_small_sample_bias_is_the_known_one(n: int) -> None:
    """Two samples of the same 256-d Gaussian: 113 at n = 300, 33.5 at n = 1000 (simulation in our sheet)."""
    rng = np.random.default_rng(0)
    value = frechet_distance(rng.normal(size=(n, 256)), rng.normal(size=(n, 256)))
    assert value == pytest.approx({300: 113, 1000: 33.5}[n], rel=0.05)


def test_fewer_samples_than_dimensions() -> None:
    """Padding with constant columns changes nothing, and puts n below d."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20, 6)), rng.normal(size=(30, 6)) + 1
    wide = frechet_distance(np.pad(a, ((0, 0), (0, 94))), np.pad(b, ((0, 0), (0, 94))))
    assert wide == pytest.approx(frechet_distance(a, b), rel=1e-9)
    assert frechet_distance(rng.normal(size=(5, 2048)), rng.normal(size=(9, 2048))) > 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.integers(2, 30), st.integers(2, 30), st.integers(1, 20))
def test_identity_symmetry_rotation(seed: int, n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, d)), rng.normal(size=(m, d)) * 2
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    value = frechet_distance(a, b)
    assert value >= 0
    assert frechet_distance(b, a) == pytest.approx(value, rel=1e-9, abs=1e-9)
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(value, rel=1e-8, abs=1e-8)


def test_kid_equals_the_double_loop() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 5)), rng.normal(size=(7, 5)) + 1

    def k(u: np.ndarray, v: np.ndarray) -> float:
        return float((u @ v / 5 + 1) ** 3)

    within = sum(k(s[i], s[j]) for s in (a, b) for i in range(7) for j in range(7) if i != j) / 42
    expected = within - 2 * np.mean([k(u, v) for u in a for v in b])
    assert kid(a, b, 0, subset_size=7, subsets=3).value == pytest.approx(expected, rel=1e-9)


def test_kid_is_unbiased_and_reproducible() -> None:
    rng = np.random.default_rng(0)
    values = [kid(rng.normal(size=(20, 8)), rng.normal(size=(20, 8)), 0, 20, 1).value for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 20
    a, b = rng.normal(size=(200, 8)), rng.normal(size=(200, 8)) + 0.5
    assert kid(a, b, 3, 50, 20) == kid(a, b, np.random.default_rng(3), 50, 20)
    assert kid(a, b, 3, 50, 20).value > 0.1


def test_floor_is_real_against_real() -> None:
    real = np.random.default_rng(0).normal(size=(400, 16))
    assert 0 < real_floor(real, 200, 0) < real_floor(real, 30, 0)
    with pytest.raises(MetricInputError, match="floor"):
        real_floor(real, 201, 0)


def test_refusals() -> None:
    a = np.zeros((5, 3))
    for bad in (np.zeros(3), np.zeros((1, 3)), np.zeros((5, 2)), np.full((5, 3), np.nan)):
        with pytest.raises(MetricInputError):
            frechet_distance(a, bad)
    for size in (1, 6):
        with pytest.raises(MetricInputError, match="subset_size"):
            kid(a, a, 0, subset_size=size)
    with pytest.raises(MetricInputError, match="subsets"):
        kid(a, a, 0, subset_size=2, subsets=0)
