"""AUC against scikit-learn, and with identities as the unit."""

from __future__ import annotations

import numpy as np
import pytest
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.attributes import auc, auc_draws, auc_interval
from sklearn.metrics import roc_auc_score


def test_it_is_scikit_learns_with_ties_and_weights() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200)
    score = np.round(rng.normal(truth * 0.8, 1.0), 1)  # many ties
    weights = rng.integers(0, 4, (3, 200)).astype(float)
    likely = np.stack([-score, score], 1)
    assert auc(likely, truth)[0] == pytest.approx(roc_auc_score(truth, score))
    expected = [roc_auc_score(truth, score, sample_weight=w) for w in weights]
    assert auc(likely, truth, weights) == pytest.approx(expected)


def test_several_classes_are_averaged_one_against_the_rest() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 300)
    likely = rng.dirichlet(np.ones(3), 300) + 0.3 * np.eye(3)[truth]
    likely /= likely.sum(1, keepdims=True)
    assert auc(likely, truth)[0] == pytest.approx(roc_auc_score(truth, likely, multi_class="ovr", average="macro"))
    assert auc(likely[truth < 2], truth[truth < 2])[0] > 0.5, "a class that does not occur is left out"


def test_identities_are_the_unit() -> None:
    """A hundred leaks of one person weigh as much as one leak of another."""
    owner = np.array([0] * 100 + [1, 2, 3])
    truth = np.array([1] * 100 + [1, 0, 0])
    score = np.array([0.5] * 100 + [0.9, 0.1, 0.7])
    draws = auc_draws(np.stack([1 - score, score], 1), truth, owner, 0, 500)
    assert draws[0] == pytest.approx((0.5 + 1.0) / 2)  # person 0 beats one of two, person 1 both
    found = auc_interval(draws, 4)
    assert found is not None
    assert found.lo <= found.value <= found.hi
    assert found.n == 4


def test_a_perfect_reading_is_no_point_and_one_class_no_number() -> None:
    owner, truth = np.arange(40), np.arange(40) % 2
    perfect = auc_interval(auc_draws(np.eye(2)[truth], truth, owner, 0, 200), 40)
    assert perfect is not None
    assert (perfect.value, perfect.hi) == (1.0, 1.0)
    assert 0.9 < perfect.lo < 1.0
    assert auc_interval(auc_draws(np.eye(2)[truth], truth * 0, owner, 0, 50), 40) is None


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(MetricInputError, match="at least 2 classes"):
        auc(np.zeros((3, 1)), np.zeros(3))
    with pytest.raises(MetricInputError, match="diverged"):
        auc(np.full((3, 2), np.nan), np.zeros(3))
