"""Accuracy, EER, ROC and d' against sklearn and brute force; pairs with disjoint identities."""

from __future__ import annotations

import numpy as np
import pytest
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.verification import (
    d_prime,
    eer,
    false_match_rate,
    make_pairs,
    roc,
    tar_at,
    tenfold_accuracy,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score, roc_curve

seeds = st.integers(0, 9999)


def two_sets(seed: int, shift: float = 1.5, n: int = 300, m: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, n), rng.normal(0, 1, m)


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(-0.5, 4), st.booleans())
def test_eer_equals_sklearn(seed: int, shift: float, coarse: bool) -> None:
    genuine, impostor = two_sets(seed, shift)
    if coarse:
        genuine, impostor = genuine.round(1), impostor.round(1)
    labels = np.r_[np.ones(genuine.size), np.zeros(impostor.size)]
    fpr, tpr, _ = roc_curve(labels, np.r_[genuine, impostor], drop_intermediate=False)
    # A vertical step puts two rates at one FMR; the crossing is the same on the segment parametrised by index.
    gap = interp1d(np.arange(fpr.size), 1 - tpr - fpr)
    where = brentq(gap, 0, fpr.size - 1)
    expected = float(interp1d(np.arange(fpr.size), fpr)(where))
    assert eer(genuine, impostor) == pytest.approx(expected, abs=1e-9)


def test_eer_edges() -> None:
    assert eer([2, 3], [0, 1]) == 0
    assert eer([0, 1], [2, 3]) == pytest.approx(1)
    assert eer([1, 1], [1, 1]) == pytest.approx(0.5)
    assert eer([-np.inf] * 3 + [5.0], [-np.inf] * 4) == pytest.approx(0.75 / 1.75)  # failures are never accepted


def test_roc_equals_sklearn_and_thins_to_exact_points() -> None:
    genuine, impostor = two_sets(0)
    labels, scores = np.r_[np.ones(300), np.zeros(400)], np.r_[genuine, impostor]
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    curve = roc(genuine, impostor)
    np.testing.assert_allclose(curve.fmr, fpr, atol=1e-12)
    np.testing.assert_allclose(curve.tar, tpr, atol=1e-12)
    assert np.trapezoid(curve.tar, curve.fmr) == pytest.approx(roc_auc_score(labels, scores))
    thin = roc(genuine, impostor, max_points=20)
    assert thin.fmr.size <= 22
    for t, f, r in zip(*thin):
        assert (false_match_rate(impostor, t), tar_at(genuine, t)) == pytest.approx((f, r))
    assert (thin.fmr[0], thin.fmr[-1], thin.tar[-1]) == (0, 1, 1)


def test_acceptance_is_strict() -> None:
    assert tar_at([0.5, 0.6, -np.inf], 0.5) == pytest.approx(1 / 3)
    assert false_match_rate([0.5, 0.5], 0.5) == 0


def test_d_prime_of_known_gaussians() -> None:
    genuine, impostor = two_sets(0, 2.0, 100_000, 100_000)
    assert d_prime(genuine, impostor) == pytest.approx(2, abs=0.02)
    with pytest.raises(MetricInputError, match="constant"):
        d_prime([1, 1], [0, 0])


@settings(max_examples=20, deadline=None)
@given(seeds, st.booleans())
def test_tenfold_threshold_is_the_best_of_all(seed: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    same = np.tile([True, False], 50)
    scores = rng.normal(size=100) + same
    scores = scores.round(1) if coarse else scores
    folds = np.repeat(np.arange(10), 10)
    result = tenfold_accuracy(scores, same, folds)
    for fold in range(10):
        train = folds != fold
        best = max(((scores[train] > t) == same[train]).mean() for t in [-np.inf, *scores[train]])
        chosen = ((scores[train] > result.thresholds[fold]) == same[train]).mean()
        assert chosen == best
        held = ((scores[~train] > result.thresholds[fold]) == same[~train]).mean()
        assert result.per_fold[fold] == held
    assert result.mean == pytest.approx(result.per_fold.mean())
    assert result.standard_error == pytest.approx(result.per_fold.std(ddof=1) / np.sqrt(10))


def test_tenfold_edges() -> None:
    same, folds = np.tile([True, False], 20), np.repeat(np.arange(10), 4)
    perfect = tenfold_accuracy(np.where(same, 0.8, 0.2), same, folds)
    assert (perfect.mean, perfect.standard_error) == (1, 0)
    assert perfect.thresholds == pytest.approx(np.full(10, 0.5))
    failed = tenfold_accuracy(np.full(40, -np.inf), same, folds)
    assert failed.mean == 0.5
    for scores, flags, groups in [
        (np.zeros(40), same.astype(int), folds),
        (np.zeros(40), same, np.zeros(40)),
        (np.zeros(40), np.ones(40, dtype=bool), folds),
        (np.zeros(39), same, folds),
        (np.full(40, np.nan), same, folds),
    ]:
        with pytest.raises(MetricInputError):
            tenfold_accuracy(scores, flags, groups)


@pytest.mark.parametrize("n_pairs", [40, 400])
def test_pairs_are_distinct_balanced_and_identity_disjoint(n_pairs: int) -> None:
    rng = np.random.default_rng(0)
    ids = rng.permutation(np.r_[np.repeat(np.arange(50), 4), np.full(60, 99), np.arange(100, 160)])
    pairs = make_pairs(ids, 1, n_pairs=n_pairs, folds=10)
    assert len(pairs.first) == n_pairs
    assert ((ids[pairs.first] == ids[pairs.second]) == pairs.same).all()
    assert (pairs.first != pairs.second).all()
    assert len({frozenset(p) for p in zip(pairs.first.tolist(), pairs.second.tolist())}) == n_pairs
    owners: dict[int, int] = {}
    for fold in range(10):
        mine = pairs.fold == fold
        assert pairs.same[mine].sum() * 2 == mine.sum() == n_pairs // 10
        for identity in ids[np.r_[pairs.first[mine], pairs.second[mine]]]:
            assert owners.setdefault(int(identity), fold) == fold
    again = make_pairs(ids, np.random.default_rng(1), n_pairs=n_pairs, folds=10)
    assert all(np.array_equal(a, b) for a, b in zip(pairs, again))


def test_pairs_spread_over_identities() -> None:
    """One identity with 530 images must not own the genuine pairs."""
    ids = np.r_[np.full(530, 0), np.repeat(np.arange(1, 40), 3)]
    pairs = make_pairs(ids, 0, n_pairs=80, folds=2)
    owners, counts = np.unique(ids[pairs.first[pairs.same]], return_counts=True)
    assert owners.size == 40
    assert counts.max() == 1


def test_pairs_refusals() -> None:
    ids = np.repeat(np.arange(10), 2)
    with pytest.raises(MetricInputError, match="genuine pairs"):
        make_pairs(ids, 0, n_pairs=400, folds=2)
    with pytest.raises(MetricInputError, match="impostor pairs"):
        make_pairs(np.repeat([0, 1], 9), 0, n_pairs=8, folds=2)
    for n_pairs, folds in [(7, 2), (0, 2), (8, 1)]:
        with pytest.raises(MetricInputError, match="n_pairs"):
            make_pairs(ids, 0, n_pairs=n_pairs, folds=folds)
