"""Thresholds as estimates: the compact form says what all scores say, and intervals hold the truth."""

from __future__ import annotations

import time

import numpy as np
import pytest
from coverages import FMRS, coverage
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.calibration import Calibration, calibration
from faceleak.bench.metrics.hierarchical import rate_interval, shares_above
from faceleak.bench.metrics.intervals import bootstrap_identities, resample_weights, wilson
from faceleak.bench.metrics.thresholds import TooFewFalseAccepts, all_pairs_scores, calibrate, impostor_scores


def impostors(people: int = 40, each: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(people, 1, 6)) + rng.normal(size=(people, each, 6)) + 0.3
    return impostor_scores(z.reshape(-1, 6), np.repeat(np.arange(people), each))


def test_impostor_scores_are_those_of_all_pairs_and_know_their_people() -> None:
    z, labels = np.random.default_rng(0).normal(size=(30, 5)), np.arange(30) % 7
    scores, first, second = impostor_scores(z, labels, chunk=8)
    assert (scores == all_pairs_scores(z, labels, chunk=8)[1]).all()
    assert (first != second).all()
    assert len(scores) == sum(a != b for i, a in enumerate(labels) for b in labels[:i])


@pytest.mark.parametrize("fmr", [0.1, 0.01])
def test_what_is_kept_says_what_all_scores_say(fmr: float) -> None:
    scores, first, second = impostors()
    known = Calibration.of(calibration(scores, first, second, [0.1, 0.01]).kept())
    plain, found = calibrate(scores, fmr), known.threshold(fmr)
    assert found is not None
    assert (found.value, found.fmr, found.false_accepts) == (plain.value, plain.fmr, plain.false_accepts)
    hit = scores > plain.value
    pairs = {tuple(sorted(pair)) for pair in zip(first[hit].tolist(), second[hit].tolist(), strict=True)}
    assert found.identity_pairs == len(pairs) < found.false_accepts
    assert calibrate(
        scores, fmr, pair_of=np.minimum(first, second) * 40 + np.maximum(first, second)
    ).identity_pairs == len(pairs)
    # The first-order error against weighting every image pair by the multiplicities of both its owners.
    w = np.concatenate(list(resample_weights(40, 0, 500)))
    both = w[:, first] * w[:, second]
    full = np.log((both * hit).sum(1) / both.sum(1) / found.fmr)
    assert np.corrcoef(known.errors(fmr, w), full)[0, 1] > 0.8
    drawn, ordered = known.thresholds(fmr, w), np.sort(scores)
    assert np.isin(drawn.astype(np.float32), ordered).all(), "thresholds are scores"
    lo, hi = known.reached(fmr, w, 0.95)
    assert lo < found.fmr < hi
    assert sum(part.nbytes for part in known.kept().values()) < 40_000


def test_refusals_count_pairs_of_people() -> None:
    """Two hundred false accepts of four pairs of people are four."""
    first, second = np.repeat(np.arange(40), 50), np.repeat(np.arange(40) + 40, 50)
    scores = np.where(first < 4, 1.0, 0.0) + np.arange(2000) / 1e4
    assert calibrate(scores, 0.1).false_accepts == 200
    with pytest.raises(TooFewFalseAccepts, match="4 pairs of people"):
        calibrate(scores, 0.1, pair_of=first)
    assert calibration(scores, first, second, [0.1]).threshold(0.1) is None
    with pytest.raises(MetricInputError, match="was not calibrated"):
        calibration(scores, first, second, [0.1]).threshold(0.2)


def test_edges_are_wilsons_and_a_known_threshold_changes_nothing() -> None:
    owner, w = np.repeat(np.arange(50), 2), np.concatenate(list(resample_weights(50, 0, 400)))
    none = rate_interval(np.zeros(100), owner, 0.5, np.full(400, 0.5), w)
    assert (none.value, none.lo, none.hi) == (0, 0, pytest.approx(wilson(0, 50).hi))
    looser = rate_interval(np.full(100, 0.45), owner, 0.5, np.tile([0.4, 0.5], 200), w)
    assert looser.hi > 0.9, "another threshold would take everybody"
    scores = np.random.default_rng(1).uniform(size=100)
    same = rate_interval(scores, owner, 0.5, np.full(400, 0.5), w)
    plain = bootstrap_identities(shares_above(scores, owner, 0.5)[1][:, 0], 0, 400)
    assert (same.value, same.lo, same.hi) == (plain.value, pytest.approx(plain.lo), pytest.approx(plain.hi))
    missed = rate_interval(scores, owner, 0.5, np.full(400, 0.5), w, missed=True)
    assert (missed.lo, missed.hi) == (pytest.approx(1 - same.hi), pytest.approx(1 - same.lo))


def test_ten_thousand_resamples_of_a_thousand_people_take_two_seconds() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 500, 100_000), rng.integers(500, 1000, 100_000)
    known = calibration(rng.normal(size=100_000).astype(np.float32), first, second, [0.01])
    scores, owner = rng.normal(2, 1, 5000), np.repeat(np.arange(1000), 5)
    threshold = known.threshold(0.01)
    assert threshold is not None
    start = time.process_time()
    weights = np.concatenate(list(resample_weights(1000, 0, 10_000)))
    rate_interval(scores, owner, threshold.value, known.thresholds(0.01, weights), weights)
    assert time.process_time() - start < 2


@pytest.mark.slow
def test_intervals_hold_the_truth_with_the_threshold_drawn_and_not_without() -> None:
    found = coverage(250, 150, "usual")
    shares = [found[fmr, sar].threshold for fmr in FMRS for sar in (0.03, 0.5, 0.9)]
    assert 0.92 <= np.mean(shares) <= 0.97
    assert min(shares) >= 0.91
    assert min(one.known for one in found.values()) < 0.91
