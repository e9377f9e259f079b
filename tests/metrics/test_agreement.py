"""Agreement of two judges: known answers, an independent implementation, and where kappa has nothing to say."""

from __future__ import annotations

import numpy as np
import pytest
from faceleak.bench.metrics.agreement import agreement
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.intervals import resample_weights


def weights(people: int, resamples: int = 400) -> np.ndarray:
    return np.concatenate(list(resample_weights(people, 0, resamples)))


def test_cohens_own_table() -> None:
    """Of 100 persons with one comparison each 40 are accepted by both, 15 by A, 5 by B: p_o .8, p_e .4975."""
    a = np.repeat([True, True, False, False], [40, 15, 5, 40])
    b = np.repeat([True, False, True, False], [40, 15, 5, 40])
    found = agreement(a, b, np.arange(100), weights(100))
    assert found.share.value == pytest.approx(0.8)
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx((0.8 - (0.55 * 0.45 + 0.45 * 0.55)) / (1 - 0.495))
    assert found.share.lo < 0.8 < found.share.hi
    assert found.kappa.lo < found.kappa.value < found.kappa.hi < 1


def test_people_count_alike_however_many_photographs_they_have() -> None:
    a, b = np.array([True, True, True, False, True]), np.array([True, True, True, True, False])
    found = agreement(a, b, [0, 0, 0, 1, 1], weights(2))
    assert found.share.value == pytest.approx((1 + 0) / 2)


def test_it_is_what_another_program_says() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 300)) < [[0.3], [0.4]]
    found = agreement(a, b, np.arange(300), weights(300))
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx(metrics.cohen_kappa_score(a, b))
    assert found.kappa.lo < 0 < found.kappa.hi, "two coins"


def test_the_same_judge_twice_and_judges_that_say_one_word() -> None:
    a = np.arange(20) % 3 == 0
    same = agreement(a, a, np.arange(20), weights(20))
    assert (same.share.value, same.kappa.value if same.kappa else None) == (1, 1)
    assert agreement(a, ~a, np.arange(20), weights(20)).share.value == 0
    nobody = agreement(a & False, a & False, np.arange(20), weights(20))
    assert (nobody.share.value, nobody.kappa) == (1, None)
    with pytest.raises(MetricInputError, match="the same ones"):
        agreement(a, a[:5], np.arange(20), weights(20))
