"""SAR and rank-k by hand-made cases, double loops and known chance levels."""

from __future__ import annotations

import numpy as np
import pytest
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.reidentification import (
    by_identity,
    chance,
    lift,
    rank_k,
    risk_ratio,
    sar_type1,
    sar_type2,
    shuffled,
    true_ranks,
    type2_pairs,
)
from hypothesis import given, settings
from hypothesis import strategies as st

seeds = st.integers(0, 9999)


def test_sar_type1_is_macro_and_strict() -> None:
    rates = sar_type1([0.9, 0.5, 0.5, -np.inf, 0.9], ["b", "a", "a", "a", "a"], 0.5)
    assert rates.identities.tolist() == ["a", "b"]
    assert rates.values.tolist() == [0.25, 1.0]
    assert rates.counts.tolist() == [4, 1]
    assert (rates.macro, rates.micro) == (0.625, 0.4)


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(2, 40), st.floats(-1, 1))
def test_sar_type2_equals_the_formula(seed: int, n: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    ids, matrix = rng.integers(0, 8, n), rng.uniform(-1, 1, (n, n))
    ids[1] = ids[0]  # at least one pair
    a, b = type2_pairs(ids)
    rates = sar_type2(matrix[a, b], ids[a], threshold)
    expected = []
    for identity in np.unique(ids):
        photos = np.flatnonzero(ids == identity)
        k = len(photos)
        if k >= 2:
            hits = sum(matrix[i, j] > threshold for i in photos for j in photos if i != j)
            expected.append(hits / (k * (k - 1)))
    assert rates.values == pytest.approx(expected)
    assert rates.macro == pytest.approx(np.mean(expected))


def test_type2_without_pairs() -> None:
    a, b = type2_pairs([1, 2, 3])
    assert a.size == b.size == 0
    with pytest.raises(MetricInputError):
        sar_type2(np.empty(0), np.empty(0), 0.5)


def test_rank_excludes_the_source_image() -> None:
    gallery = [7, 7, 8, 9]
    similarity = [[1.0, 0.3, 0.5, 0.4]]
    assert rank_k(similarity, [7], gallery, 1).tolist() == [True]
    assert true_ranks(similarity, [7], gallery, [0]).tolist() == [3]  # its other photo is third
    assert rank_k(similarity, [7], gallery, 2, exclude=[0]).tolist() == [False]
    assert rank_k(similarity, [7], gallery, 3, exclude=[0]).tolist() == [True]


def test_the_excluded_image_does_not_count_for_others_either() -> None:
    """The source of the probe is out of the gallery for this probe only."""
    assert true_ranks([[0.1, 0.9], [0.9, 0.1]], [5, 5], [5, 6], [-1, -1]).tolist() == [2, 1]
    assert true_ranks([[0.5, 0.4, 0.1], [0.5, 0.4, 0.1]], [5, 5], [5, 5, 6], [0, -1]).tolist() == [1, 1]


def test_ties_count_against_the_attacker() -> None:
    assert true_ranks(np.zeros((2, 5)), [0, 4], np.arange(5)).tolist() == [5, 5]
    assert true_ranks(np.full((1, 5), -np.inf), [2], np.arange(5)).tolist() == [5]  # a failed reconstruction


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(1, 6))
def test_rank_equals_the_double_loop(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    gallery = rng.permutation(np.repeat(np.arange(6), 2))
    probes = rng.integers(0, 6, 15)
    source = np.array([rng.choice([-1, rng.choice(np.flatnonzero(gallery == p))]) for p in probes])
    scores = rng.normal(size=(15, 12)).round(1)
    hits = rank_k(scores, probes, gallery, k, source)
    for row in range(15):
        best = {g: max(scores[row, c] for c in range(12) if gallery[c] == g and c != source[row]) for g in range(6)}
        rank = 1 + sum(best[g] >= best[probes[row]] for g in range(6) if g != probes[row])
        assert hits[row] == (rank <= k)


def test_blind_guessing_reaches_chance() -> None:
    rng = np.random.default_rng(0)
    hits = rank_k(rng.normal(size=(20_000, 20)), rng.integers(0, 20, 20_000), np.arange(20), 5)
    assert hits.mean() == pytest.approx(chance(5, 20), abs=0.012)
    assert lift(float(hits.mean()), 20, k=5) == pytest.approx(1, abs=0.05)
    assert lift(0.5, 100) == 50


def test_rank_refusals() -> None:
    s = np.zeros((1, 3))
    for arguments in [
        (s, [9], [1, 2, 3], 1),  # not in the gallery
        (s, [1], [1, 2, 3], 1, [0]),  # only its source is
        (s, [1], [1, 2, 3], 1, [3]),
        (s, [1], [1, 2, 3], 1, [-2]),
        (s, [1], [1, 2, 3], 4),
        (s, [1], [1, 2, 3], 0),
        (s, [1, 2], [1, 2, 3], 1),
        (s * np.nan, [1], [1, 2, 3], 1),
        (np.zeros(3), [1], [1, 2, 3], 1),
    ]:
        with pytest.raises(MetricInputError):
            rank_k(*arguments)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(2, 6), st.integers(1, 5))
def test_shuffle_never_keeps_the_person(seed: int, people: int, photos: int) -> None:
    rng = np.random.default_rng(seed)
    ids = np.r_[np.zeros(photos * (people - 1)), np.repeat(np.arange(1, people), photos)]  # half of them is person 0
    ids = rng.permutation(ids)
    p = shuffled(ids, rng)
    assert sorted(p.tolist()) == list(range(ids.size))
    assert (ids[p] != ids).all()


def test_shuffle_refuses_a_majority() -> None:
    for ids in ([1, 1, 2], [1], []):
        with pytest.raises(MetricInputError, match="half"):
            shuffled(ids, 0)


def test_risk_ratio_covers_the_true_ratio() -> None:
    rng, covered, runs = np.random.default_rng(0), 0, 200
    for _ in range(runs):
        base, own = rng.binomial(20, 0.1, 200) / 20, rng.binomial(20, 0.4, 200) / 20
        ratio = risk_ratio(own, base, rng, resamples=500)
        assert ratio.value == pytest.approx(own.mean() / base.mean())
        covered += ratio.lo < 4 < ratio.hi
    assert covered / runs == pytest.approx(0.95, abs=0.045)
    same = risk_ratio(own, own, 0)
    assert (same.lo, same.value, same.hi) == pytest.approx((1, 1, 1))


def test_risk_ratio_at_the_boundary() -> None:
    never = risk_ratio(np.ones(50), np.zeros(50), 0)
    assert (never.value, never.hi, never.method) == (np.inf, np.inf, "wilson-bound")
    assert 5 < never.lo < 50
    rare = risk_ratio(np.ones(20), np.r_[1.0, np.zeros(19)], 0)  # many resamples have an empty baseline
    assert rare.value == 20
    assert rare.hi == np.inf
    assert 1 < rare.lo < 20
    sparse = risk_ratio(np.r_[1.0, np.zeros(9)], np.r_[1.0, np.zeros(9)], 0)
    assert (sparse.lo, sparse.hi) == (0, np.inf)  # 0 / 0 informs about neither end
    for own, base in [(np.zeros(3), np.zeros(3)), (np.ones(3), np.ones(2)), (np.full(3, 2.0), np.ones(3))]:
        with pytest.raises(MetricInputError):
            risk_ratio(own, base, 0)


def test_by_identity_refuses_what_is_no_success() -> None:
    for hits in ([0.0, 2.0], [np.nan, 1.0]):
        with pytest.raises(MetricInputError):
            by_identity(hits, [0, 1])
