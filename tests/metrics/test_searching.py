"""Searches among many people: the counts of a brute force, by each engine, in blocks of any size, ties against us."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from faceleak.bench.core.extras import MissingExtra
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.openset import drawn_thresholds, open_set_threshold
from faceleak.bench.metrics.ranking import true_ranks
from faceleak.bench.metrics.searching import search

FAISS = pytest.param(
    "faiss", marks=pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss-cpu is not installed")
)


def unit(rng: np.random.Generator, n: int, dim: int = 24) -> np.ndarray:
    x = rng.normal(size=(n, dim))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("engine", ["blocked", FAISS])
@pytest.mark.parametrize("block", [7, 64, 4096])
def test_counts_are_those_of_a_brute_force_with_ties(engine: str, block: int) -> None:
    rng = np.random.default_rng(0)
    people, mates, probes = unit(rng, 700), unit(rng, 40), unit(rng, 40)
    probes[:15] = mates[:15]  # found first but for ties ...
    people[[3, 200, 650]] = mates[[0, 0, 1]]  # ... with somebody of just the same face
    sizes = [0, 1, 150, 201, 700]
    found = search(probes, people, sizes, mates, engine=engine, block=block)
    scores = probes.astype(np.float64) @ people.T.astype(np.float64)
    true = (probes.astype(np.float64) * mates).sum(1)
    for place, size in enumerate(sizes):
        beaten = (scores[:, :size] >= true[:, None] - 1e-12).sum(1)
        np.testing.assert_array_equal(found.above[:, place], beaten)
        best = scores[:, :size].max(1) if size else np.full(40, -np.inf)
        np.testing.assert_allclose(found.best[:, place], best, atol=1e-9)
    assert found.above[0].tolist() == [0, 0, 1, 2, 2], "a face that is there twice more comes third"
    assert (found.above[15:, -1] > 32).any(), "some lie deeper than FAISS is asked for"


@pytest.mark.parametrize("engine", ["blocked", FAISS])
def test_the_true_ones_own_row_does_not_count(engine: str) -> None:
    rng = np.random.default_rng(1)
    people, probes = unit(rng, 50), unit(rng, 30)
    own = np.arange(30) % 25
    found = search(probes, people, [50], people[own], skip=own, engine=engine, block=16)
    ranks = true_ranks(probes.astype(np.float64) @ people.T, own, np.arange(50))
    np.testing.assert_array_equal(1 + found.above[:, 0], ranks)
    masked = probes @ people.T
    masked[np.arange(30), own] = -np.inf
    np.testing.assert_allclose(found.best[:, 0], masked.max(1), atol=1e-6)
    alone = search(people[:1], people[:1], [1], people[:1], skip=np.zeros(1, np.int64), engine=engine)
    assert (alone.above.item(), alone.best.item()) == (0, -np.inf)


def test_a_gallery_is_read_from_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    people, probes = unit(rng, 60), unit(rng, 8)
    people.tofile(tmp_path / "people")
    mapped = np.memmap(tmp_path / "people", np.float32, "r", shape=people.shape)
    found, wanted = (search(probes, some, [60], people[:8], block=16) for some in (mapped, people))
    np.testing.assert_array_equal(found.above, wanted.above)
    np.testing.assert_array_equal(found.best, wanted.best)


@pytest.mark.parametrize("engine", ["blocked", FAISS])
def test_where_all_score_alike_the_true_one_is_last(engine: str) -> None:
    same = np.tile(unit(np.random.default_rng(2), 1), (90, 1))
    assert search(same[:3], same, [40, 90], same[:3], engine=engine, block=33).above.tolist() == [[40, 90]] * 3


def test_what_cannot_be_searched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    x = unit(np.random.default_rng(3), 5)
    for sizes, message in (([3, 2], "ascending"), ([6], "from 0 to 5"), ([], "ascending")):
        with pytest.raises(MetricInputError, match=message):
            search(x, x, sizes)
    for wrong in (np.nan, np.inf):
        people = np.tile(x, (20, 1))
        people[37, 3] = wrong
        with pytest.raises(MetricInputError, match=r"row 37 .* not finite"):
            search(x, people, [100], block=16)
    with pytest.raises(MetricInputError, match="one mate"):
        search(x, x, [5], x[:2])
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtra, match=r"faceleak\[large\]"):
        search(x, x, [5], engine="faiss")
    assert search(x, x, [5]).best.max() > 0.99, "our own does without"


def test_a_threshold_lets_the_stated_share_of_searches_through() -> None:
    best = np.arange(2000) / 2000
    found = open_set_threshold(best, np.arange(2000), 0.01)
    assert found is not None
    assert (found.value, found.fpir, found.positives, found.people) == (1979 / 2000, 0.01, 20, 20)
    assert open_set_threshold(best, np.arange(2000), 0.001) is None, "two false positives"
    assert open_set_threshold(best, np.arange(2000) // 4, 0.01) is None, "twenty, of five people"
    assert open_set_threshold(np.zeros(2000), np.arange(2000), 0.01) is None, "none: all scores tie"


def test_thresholds_of_other_people_lie_around_the_own_one() -> None:
    rng = np.random.default_rng(4)
    best, who = rng.normal(size=4000), np.repeat(np.arange(400), 10)
    ones = drawn_thresholds(best, who, 0.01, np.ones((3, 400)))
    own = open_set_threshold(best, who, 0.01)
    assert own is not None
    assert ones.tolist() == [own.value] * 3, "everybody once is the sample itself"
    weights = rng.multinomial(400, np.full(400, 1 / 400), size=500).astype(np.float64)
    drawn = drawn_thresholds(best, who, 0.01, weights)
    assert drawn.std() == pytest.approx(0.01**0.5 * 0.99**0.5 / (0.0267 * 4000**0.5), rel=0.35)  # sqrt(pq/n) / density
    assert abs(drawn.mean() - own.value) < 0.05


@pytest.mark.slow
def test_a_million_people_fit_four_gib() -> None:
    """Two of them are the gallery itself. In a process of its own: the peak is the process's."""
    script = Path(__file__).parent.parent / "perf" / "large_gallery.py"
    told = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    assert float(re.search(r"peak ([\d.]+) GiB", told)[1]) < 4, told
