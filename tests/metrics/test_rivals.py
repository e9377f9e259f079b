"""The floor under rank-k, against a double loop, the average of many shuffles, and cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.ranking import places
from faceleak.bench.metrics.reidentification import by_identity, rank_k, risk_ratio, shuffled, true_ranks
from faceleak.bench.metrics.rivals import depths, rival_rates, stranger_rates, times_rivals
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 9999), st.integers(2, 7), st.integers(1, 3))
def test_every_other_persons_recovery_is_tried_on_everybody(seed: int, people: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    probe = np.concatenate([np.arange(people), rng.integers(0, people, 6)])
    gallery = np.concatenate([rng.permutation(people + 3), rng.integers(0, people + 3, 5)])
    scores = rng.integers(0, 4, (len(probe), len(gallery))).astype(float)  # many ties
    found = rival_rates(scores, probe, gallery, {"k": k})["k"]
    for i in range(people):
        means = []
        for j in set(range(people)) - {i}:
            mine = np.flatnonzero(probe == j)
            means.append(np.mean(true_ranks(scores[mine], np.full(len(mine), i), gallery) <= k))
        assert found.values[i] == pytest.approx(np.mean(means))
    assert found.macro == pytest.approx(found.values.mean())
    assert found.counts.tolist() == [int((probe != i).sum()) for i in range(people)]


def test_it_is_what_shuffles_give_on_average() -> None:
    rng = np.random.default_rng(0)
    people, scores = np.arange(30), rng.normal(size=(30, 30))
    exact = rival_rates(scores, people, people, {"rank": 3})["rank"].macro
    drawn = [rank_k(scores[shuffled(people, rng)], people, people, 3).mean() for _ in range(3000)]
    assert exact == pytest.approx(np.mean(drawn), abs=3e-3)
    assert exact == pytest.approx((30 * 3 - rank_k(scores, people, people, 3).sum()) / (30 * 29)), "three places each"


def test_a_recovery_that_finds_its_own_person_leaves_the_places_below_to_others() -> None:
    """At rank 1 nobody is found by another's recovery; at rank 5 there are four places left for 49 others."""
    people = np.arange(50)
    scores = np.random.default_rng(0).uniform(size=(50, 50)) + np.eye(50)
    found = rival_rates(scores, people, people, depths(50))
    assert found["1"].macro == 0
    assert found["5"].macro == pytest.approx(4 / 49)
    own = by_identity(rank_k(scores, people, people, 5), people)
    ratio = risk_ratio(own.values, found["5"].values, 0, 500)
    assert ratio.value == pytest.approx(49 / 4)
    assert np.isfinite(ratio.hi), "one shuffle of few people left it infinite"
    same = rival_rates(np.zeros((50, 50)), people, people, {"5": 5})["5"]
    assert same.macro == 0, "who scores everybody equally finds nobody, as in true_ranks"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 9999), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4))
def test_recoveries_of_nobody_are_tried_on_everybody(seed: int, people: int, strangers: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    gallery = np.concatenate([rng.permutation(people + 3), rng.integers(0, people + 3, 5)])
    scores = rng.integers(0, 4, (strangers, len(gallery))).astype(float)
    found = stranger_rates(scores, np.repeat(np.arange(people), 2), gallery, {"k": k})["k"]
    for i in range(people):
        ranks = true_ranks(scores, np.full(strangers, i), gallery)
        assert found.values[i] == pytest.approx(np.mean(ranks <= k))
    assert len(found.values) == people, "a person counts once"


def test_who_is_nobody_has_k_places_to_give() -> None:
    scores = np.random.default_rng(1).uniform(size=(7, 40))
    people = np.arange(40)
    found = stranger_rates(scores, people, people, depths(40))
    assert {name: one.macro for name, one in found.items()} == pytest.approx(
        {"1": 1 / 40, "5": 5 / 40, "20": 0.5, "1%": 1 / 40}
    )


def test_a_ratio_where_one_shuffle_had_none() -> None:
    """Two in a hundred are found: one shuffle mostly finds nobody, the expectation never does."""
    people = np.arange(100)
    scores = np.random.default_rng(0).uniform(size=(100, 100))
    own = by_identity(rank_k(scores, people, people, 1), people).values
    exact = rival_rates(scores, people, people, {"1": 1})["1"].values
    ratio = times_rivals(own, exact, 0, 500)
    assert ratio is not None
    assert ratio.value == pytest.approx(own.mean() / exact.mean())
    nobody = times_rivals(np.zeros(100), exact, 0)
    assert nobody is not None
    assert (nobody.value, nobody.lo) == (0, 0)
    assert 1 < nobody.hi < 10, "not a point: who found nobody among a hundred may find some among the next"
    assert times_rivals(np.zeros(5), np.zeros(5), 0) is None
    best = times_rivals(np.ones(50), np.zeros(50), 0)
    assert best is not None
    assert (best.value, best.lo > 4) == (np.inf, True)


@pytest.mark.parametrize("seed", range(5))
def test_places_say_of_ranks_what_scores_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    owner = rng.permutation(60)
    probe = rng.choice(owner, 90)
    scores = rng.normal(size=(90, 60)).round(1 + seed % 3).astype(np.float32)  # with ties
    scores[rng.random((90, 60)) < 0.02] = -np.inf
    scores[3] = -np.inf
    ks = depths(60)
    kept = places(scores, max(ks.values()))
    assert kept.dtype == np.int8
    for k in ks.values():
        assert np.array_equal(rank_k(scores, probe, owner, k), rank_k(kept, probe, owner, k))
    for rates in (rival_rates, stranger_rates):
        own, again = rates(scores, probe, owner, ks), rates(kept, probe, owner, ks)
        assert all(np.array_equal(own[name].values, again[name].values) for name in ks)
    with pytest.raises(MetricInputError, match="NaN"):
        places([[np.nan, 1.0]], 1)


def test_one_percent_of_a_small_gallery_is_one() -> None:
    assert depths(1000) == {"1": 1, "5": 5, "20": 20, "1%": 10}
    assert depths(10) == {"1": 1, "5": 5, "1%": 1}


@pytest.mark.parametrize(
    ("scores", "probe", "gallery", "k"),
    [
        (np.zeros((2, 3)), [1, 1], [1, 2, 3], 1),
        (np.zeros((2, 3)), [1, 9], [1, 2, 3], 1),
        (np.zeros((2, 3)), [1, 2], [1, 2, 3], 4),
        (np.full((2, 3), np.nan), [1, 2], [1, 2, 3], 1),
        (np.zeros(3), [1, 2, 3], [1, 2, 3], 1),
    ],
)
def test_what_has_no_answer_is_refused(scores: np.ndarray, probe: list[int], gallery: list[int], k: int) -> None:
    with pytest.raises(MetricInputError):
        rival_rates(scores, probe, gallery, {"k": k})
