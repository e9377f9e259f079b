"""Paired comparisons: the exact test against all signs, Holm against known values, ties that stay ties."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.comparisons import difference, exact_sign_flip_p, holm, sign_flip_p


@pytest.mark.parametrize("seed", range(4))
def test_the_exact_p_counts_all_signs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gaps = rng.integers(-3, 5, 11) / (5 if seed % 2 else 7)  # sevenths are rounded to the lattice
    seen = abs(gaps.sum()) - 1e-9
    every = [abs(np.dot(signs, gaps)) >= seen for signs in product((-1, 1), repeat=11)]
    assert exact_sign_flip_p(gaps, np.zeros(11)) == pytest.approx(np.mean(every), abs=0.02 if not seed % 2 else 1e-12)


def test_it_agrees_with_sampled_signs_and_goes_below_them() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 6, 120) / 5, rng.integers(0, 6, 120) / 5
    assert exact_sign_flip_p(a, b) == pytest.approx(sign_flip_p(a, b, 0), abs=0.02)
    assert exact_sign_flip_p(np.ones(60), np.zeros(60)) == pytest.approx(2 * 0.5**60)
    assert exact_sign_flip_p(a, a) == 1
    with pytest.raises(MetricInputError, match="pair them"):
        exact_sign_flip_p([1, 0], [1])


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    with pytest.raises(MetricInputError, match="probabilities"):
        holm([2.0])


def test_equal_differences_are_widened_by_what_may_differ_unseen() -> None:
    found = difference(np.full(40, 0.5), np.full(40, 0.5), np.zeros(200))
    assert found.lo < 0 == found.value < found.hi
    assert found.p == 1
