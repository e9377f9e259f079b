"""Searches in a gallery of many people, exact and in fixed memory: how many score at least as the true one does.

A rank is one comparison and a count, so no row of scores is ever sorted or kept whole: the gallery is gone through
block by block, by our own product or by FAISS (flat, exact). Products are in float32; whatever comes within ``_BAND``
of the true one's score is computed again in float64, so that both engines, in blocks of any size, give the same counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..core.extras import MissingExtra, need
from .arrays import FloatArray, IntArray, MetricInputError

Engine: TypeAlias = Literal["auto", "faiss", "blocked"]

_BAND = 1e-5  # float32 products of unit vectors of 512 numbers are right to 1e-6
_EQUAL = 1e-12  # float64 scores so near are a tie
_BLOCK = 16384  # rows of the gallery at once
_PROBES = 512  # searches at once: with _BLOCK, 32 MiB of scores
_NEAREST = 32  # how many FAISS is asked for; whose mate lies deeper in a block is counted by the product
_PAIRS = 8192  # pairs computed anew at once: 64 MiB of 512 numbers in float64


@dataclass(frozen=True, eq=False)
class Found:
    """What S galleries, each the beginning of the next, gave for n searches.

    Attributes:
        above: (n, S) people who score at least as the true one; all 0 where no true one was told.
        best: (n, S) highest score of anybody, -inf in an empty gallery.
    """

    above: IntArray
    best: npt.NDArray[np.float64]


def search(
    probes: FloatArray,
    people: FloatArray,
    sizes: Sequence[int],
    mates: FloatArray | None = None,
    *,
    skip: npt.NDArray[np.int64] | None = None,
    engine: Engine = "auto",
    block: int = _BLOCK,
) -> Found:
    """Search n probes among the first ``sizes`` people of a gallery, by inner product.

    Args:
        probes: (n, D) vectors of unit norm.
        people: (N, D) of unit norm, one row each; may be mapped from a file.
        sizes: (S,) ascending, from 0 to N.
        mates: (n, D) the true one's vector of each probe, which need not be among ``people``; None: nobody is theirs.
        skip: (n,) a row of ``people`` that does not count for a probe (its true one), -1 for none.
        engine: ``faiss`` needs ``faiss-cpu``; ``auto`` takes it where it is installed. The result is the same.
        block: rows of the gallery at once.

    Returns:
        `Found`. Ties with the true one count against the searcher.

    Raises:
        MetricInputError: shapes that do not go together, sizes out of order or range, numbers that are not finite.
        MissingExtra: ``engine`` is ``faiss``, and it is not installed.
    """
    x, sizes = np.ascontiguousarray(probes, np.float32), [int(size) for size in sizes]
    _check(x, people, sizes, mates)
    passed = np.full(len(x), -1) if skip is None else np.asarray(skip, np.int64)
    true = None if mates is None else _exact(x, np.asarray(mates, np.float32))
    faiss = _faiss(engine)
    above, best = np.zeros((len(x), len(sizes)), np.int64), np.full((len(x), len(sizes)), -np.inf)
    count, highest = np.zeros(len(x), np.int64), np.full(len(x), -np.inf, np.float32)
    whose = np.full(len(x), -1, np.int64)
    for start, end in _blocks(sizes, block):
        rows = np.ascontiguousarray(people[start:end], np.float32)
        if not np.isfinite(rows).all():
            raise MetricInputError(f"people {start} to {end} of the gallery have numbers that are not finite")
        for at in (slice(i, i + _PROBES) for i in range(0, len(x) if len(rows) else 0, _PROBES)):
            part = _Part(x[at], rows, None if true is None else true[at], passed[at] - start)
            found, top, index = part.by_faiss(faiss) if faiss is not None else part.by_product()
            higher = top > highest[at]
            count[at] += found
            highest[at], whose[at] = np.where(higher, top, highest[at]), np.where(higher, start + index, whose[at])
        for place in (i for i, size in enumerate(sizes) if size == end):
            above[:, place], best[:, place] = count, _scores_of(x, people, whose)
    return Found(above, best)


@dataclass
class _Part:
    """Some searches in one block of a gallery."""

    x: FloatArray  # (p, D)
    rows: FloatArray  # (b, D)
    true: npt.NDArray[np.float64] | None  # (p,)
    skip: npt.NDArray[np.int64]  # (p,) row of the block that does not count

    def by_product(self) -> tuple[Any, Any, Any]:
        """(p,) each: how many score at least as the true one, the highest score, and whose."""
        scores = self.x @ self.rows.T
        inside = np.flatnonzero((self.skip >= 0) & (self.skip < len(self.rows)))
        scores[inside, self.skip[inside]] = -np.inf
        index = scores.argmax(1)
        return self._counted(scores), scores[np.arange(len(scores)), index], index

    def by_faiss(self, faiss: Any) -> tuple[Any, Any, Any]:
        """The same, from the nearest ones that FAISS finds; those whose true one lies deeper by the product."""
        k = min(_NEAREST, len(self.rows))
        near, index = faiss.knn(self.x, self.rows, k, metric=faiss.METRIC_INNER_PRODUCT)
        last = near[:, -1].copy()
        near[index == self.skip[:, None]] = -np.inf
        first = near.argmax(1)
        own = np.arange(len(near))
        count = self._counted(near, index)
        # FAISS returns no more than it was asked for: a mate below the last of them may be deeper still.
        if self.true is not None and k < len(self.rows):
            deep = np.flatnonzero(last >= self.true - _BAND)
            if len(deep):
                count[deep] = _Part(self.x[deep], self.rows, self.true[deep], self.skip[deep]).by_product()[0]
        return count, near[own, first], index[own, first]

    def _counted(self, scores: FloatArray, index: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.int64]:
        """(p,) how many of the scores (p, m) are at least the true one's; ``index`` (p, m): of which row each is."""
        if self.true is None:
            return np.zeros(len(scores), np.int64)
        low, high = (self.true + end for end in (-_BAND, _BAND))
        sure = np.count_nonzero(scores > high.astype(np.float32)[:, None], axis=1).astype(np.int64)
        at_least = np.count_nonzero(scores >= low.astype(np.float32)[:, None], axis=1)
        for probe in np.flatnonzero(at_least > sure):
            values = scores[probe]
            at = np.flatnonzero((values >= np.float32(low[probe])) & (values <= np.float32(high[probe])))
            for some in (at[i : i + _PAIRS] for i in range(0, len(at), _PAIRS)):
                other = self.rows[some if index is None else index[probe, some]]
                exact = _exact(np.broadcast_to(self.x[probe], other.shape), other)
                sure[probe] += int((exact >= self.true[probe] - _EQUAL).sum())
        return sure


def _exact(a: FloatArray, b: FloatArray) -> npt.NDArray[np.float64]:
    """(n,) inner products of rows, in float64."""
    parts = [slice(i, i + _PAIRS) for i in range(0, len(a), _PAIRS)]
    products = [np.einsum("nd,nd->n", a[at].astype(np.float64), b[at].astype(np.float64)) for at in parts]
    return np.concatenate([np.zeros(0), *products])


def _scores_of(x: FloatArray, people: FloatArray, whose: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(n,) exact scores with one person each; -inf with nobody."""
    found = np.full(len(x), -np.inf)
    some = np.flatnonzero(whose >= 0)
    for at in (some[i : i + _PAIRS] for i in range(0, len(some), _PAIRS)):
        found[at] = _exact(x[at], np.asarray(people[whose[at]], np.float32))
    return found


def _blocks(sizes: Sequence[int], block: int) -> Iterator[tuple[int, int]]:
    """Ends of the blocks, which stop at every size; empty ones for a size of 0."""
    start = 0
    for size in sizes:
        if size == 0:
            yield 0, 0
        while start < size:
            yield start, min(start + block, size)
            start = min(start + block, size)


def _faiss(engine: Engine) -> Any:
    if engine == "blocked":
        return None
    try:
        return need("faiss", "Searches by FAISS")
    except MissingExtra:
        if engine == "faiss":
            raise
        return None


def _check(x: FloatArray, people: FloatArray, sizes: Sequence[int], mates: FloatArray | None) -> None:
    if x.ndim != 2 or people.ndim != 2 or x.shape[1] != people.shape[1] or not len(x):
        raise MetricInputError(f"probes are {x.shape}, people {people.shape}; pass (n, D) and (N, D)")
    if mates is not None and np.shape(mates) != x.shape:
        raise MetricInputError(f"mates are {np.shape(mates)}, probes {x.shape}; pass one mate for each probe")
    if not np.isfinite(x).all() or (mates is not None and not np.isfinite(mates).all()):
        raise MetricInputError("probes or mates have numbers that are not finite; pass unit vectors")
    if not sizes or list(sizes) != sorted(set(sizes)) or sizes[0] < 0 or sizes[-1] > len(people):
        raise MetricInputError(f"sizes are {list(sizes)}; pass ascending ones from 0 to {len(people)}")
