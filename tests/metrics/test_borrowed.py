"""What larger false match rates say of the uncertainty of small ones, against what is known of a made-up world."""

from __future__ import annotations

import numpy as np
import pytest
from coverages import WORLDS, coverage, scores_of
from faceleak.bench.metrics.borrowed import Compared, borrowed, correlation, lenders, together
from faceleak.bench.metrics.calibration import Calibration, calibration
from faceleak.bench.metrics.intervals import resample_weights
from scipy.stats import multivariate_normal, norm


@pytest.mark.parametrize(("p", "r"), [(0.1, 0.2), (0.01, 0.5), (0.001, 0.05), (0.001, 0.9)])
def test_together_is_the_bivariate_normal_and_correlation_undoes_it(p: float, r: float) -> None:
    z = norm.ppf(p)
    both = multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf([z, z])
    assert together(p, r) == pytest.approx(both / p**2 - 1, rel=1e-3)
    assert correlation(p, together(p, r)) == pytest.approx(r, abs=1e-6)


def test_ends_of_the_correlation() -> None:
    assert together(0.01, 0.0) == pytest.approx(0, abs=1e-9)
    assert correlation(0.01, -0.1) == correlation(0.01, 0.0) == 0
    assert correlation(0.01, 1 / 0.01) == 0.999, "more than the same comparison twice"


def test_rates_lend_by_tens_up_to_one_in_ten() -> None:
    assert lenders(0.001) == [0.01, 0.1]
    assert lenders(0.01) == [0.1]
    assert lenders(0.05) == [0.1], "nothing between, so the largest"
    assert lenders(0.1) == lenders(0.3) == []


def test_the_variance_of_many_people_is_that_of_the_world_they_are_of() -> None:
    """By hand, for u_i + u_j + p_ij + noise of variance 1: r1 = .3^2 share a person, r2 = 2 x .3^2 + .4^2 both."""
    people, fmr, rng = 80, 0.01, np.random.default_rng(3)
    worlds = [scores_of(rng, people, WORLDS["usual"]) for _ in range(20)]
    every = [borrowed(scores, np.sort(scores), compared(*who, people), [fmr])[0] for scores, *who in worlds]
    found = np.mean(every, axis=0)
    pairs, images = people * (people - 1) / 2, 16
    shares = pairs * 2 * (people - 2) * images**2 * together(fmr, 0.09) / (pairs * images) ** 2
    rest = (1 / fmr - 1 + (images - 1) * together(fmr, 0.34)) / (pairs * images)
    assert found[0] == pytest.approx(shares, rel=0.15)
    assert found[1] == pytest.approx(rest, rel=0.1)


def compared(first: np.ndarray, second: np.ndarray, people: int) -> Compared:
    return Compared(first, second, first * people + second, people)


def test_people_who_are_all_alike_have_nothing_to_lend() -> None:
    scores, first, second = scores_of(np.random.default_rng(0), 60, WORLDS["alike"])
    (found,) = borrowed(scores, np.sort(scores), compared(first, second, 60), [0.001])
    assert found[0] < 0.02
    assert found[1] == pytest.approx(1 / 28, rel=0.1), "of 28 independent false accepts"


def test_pairs_of_people_that_share_nobody_and_are_met_once() -> None:
    scores, first = np.random.default_rng(0).normal(size=200), np.arange(200)
    known = calibration(scores, first, first + 200, [0.05])
    assert known.borrowed.tolist() == [[0, pytest.approx(0.095)]], "1 / 10 - 1 / 200"
    ties = np.repeat([0.0, 1.0], [80, 120])
    assert not calibration(ties, first, first + 200, [0.05]).borrowed.any(), "no rate can be had of ties"


def test_what_is_borrowed_widens_and_evidence_from_before_it_is_read_as_then() -> None:
    rng = np.random.default_rng(5)
    w = np.concatenate(list(resample_weights(60, 0, 1000)))
    wider = []
    for _ in range(5):
        known = calibration(*scores_of(rng, 60, WORLDS["wolves"]), [0.1, 0.01, 0.001])
        kept = known.kept()
        assert Calibration.of(kept).errors(0.001, w).tolist() == known.errors(0.001, w).tolist()
        before = Calibration.of({name: part for name, part in kept.items() if name != "borrowed"})
        assert not before.borrowed.any()
        assert before.errors(0.1, w).tolist() == known.errors(0.1, w).tolist(), "the largest has no lender"
        ratio = np.std(known.errors(0.001, w)) / np.std(before.errors(0.001, w))
        assert ratio > 0.999
        wider.append(ratio)
    assert max(wider) > 1.1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["usual", "wolves", "photographs"])
def test_few_people_and_a_small_rate_are_covered(kind: str) -> None:
    """Without what is borrowed: .91, .88 and .90 of 1,200 boards."""
    found = coverage(300, 60, kind, seed=1)
    assert found[0.001, 0.5].fmr > 0.9
    assert min(one.threshold for one in found.values()) > 0.9
