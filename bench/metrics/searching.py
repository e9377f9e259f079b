"""Searches in a gallery of many people, exact and in fixed memory: how many score at least as the true one does.

A rank is one comparison and a count, so no row of scores is ever sorted or kept whole: the gallery is gone through
block by block, by our own product or by FAISS (flat, exact). Products are in float32; whatever comes within ``_BAND``
of the true one's score is computed again in float64, so that both engines, in blocks of any size, give the same counts.
Our own is the faster one: FAISS keeps the nearest in order, which a count has no use for, and tells no deeper ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from ..core.extras import need
from ..core.precision import exactly
from .arrays import FloatArray, IntArray, MetricInputError

Engine: TypeAlias = Literal["blocked", "faiss"]

_BAND = 1e-5  # float32 products of unit vectors of 512 numbers are right to 1e-6
_EQUAL = 1e-12  # float64 scores so near are a tie
_BLOCK = 8192  # rows of the gallery at once
_PROBES = 512  # searches at once: with _BLOCK, 16 MiB of scores
_NEAREST = 32  # how many FAISS is asked for; whose mate lies deeper in a block is counted by the product
_PAIRS = 8192  # pairs computed anew at once: 64 MiB of 512 numbers in float64
_CPU = torch.device("cpu")


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
    engine: Engine = "blocked",
    block: int = _BLOCK,
) -> Found:
    """Search n probes among the first ``sizes`` people of a gallery, by inner product.

    Args:
        probes: (n, D) vectors of unit norm.
        people: (N, D) of unit norm, one row each; may be mapped from a file.
        sizes: (S,) ascending, from 0 to N.
        mates: (n, D) the true one's vector of each probe, which need not be among ``people``; None: nobody is theirs.
        skip: (n,) a row of ``people`` that does not count for a probe (its true one), -1 for none.
        engine: ``faiss`` needs ``faiss-cpu``. The result is the same.
        block: rows of the gallery at once.

    Returns:
        `Found`. Ties with the true one count against the searcher.

    Raises:
        MetricInputError: shapes that do not go together, sizes out of order or range, numbers that are not finite.
        MissingExtra: ``engine`` is ``faiss``, and it is not installed.
    """
    x, sizes = np.array(probes, np.float32, order="C"), [int(size) for size in sizes]
    _check(x, people, sizes, mates)
    passed = np.full(len(x), -1) if skip is None else np.asarray(skip, np.int64)
    true = None if mates is None else _exact(x, np.asarray(mates, np.float32))
    faiss = need("faiss", "Searches by FAISS") if engine == "faiss" else None
    above, best = np.zeros((len(x), len(sizes)), np.int64), np.full((len(x), len(sizes)), -np.inf)
    parts = [_Searches(x[at], None if true is None else true[at], passed[at], block) for at in _slices(len(x), _PROBES)]
    for start, end in _blocks(sizes, block):
        rows = _rows(people, start, end)
        for part in parts if len(rows) else ():
            part.by_product(rows, start) if faiss is None else part.by_faiss(faiss, rows, start)
        for place in (i for i, size in enumerate(sizes) if size == end):
            above[:, place] = np.concatenate([part.count for part in parts])
            best[:, place] = _scores_of(x, people, np.concatenate([part.whose for part in parts]))
    return Found(above, best)


class _Searches:
    """Some searches while a gallery passes by.

    Args:
        x: (p, D) probes.
        true: (p,) exact scores of their true ones, or None.
        skip: (p,) row of the gallery that does not count.
        block: rows of the gallery at once.
    """

    def __init__(
        self, x: FloatArray, true: npt.NDArray[np.float64] | None, skip: npt.NDArray[np.int64], block: int
    ) -> None:
        self._x, self._true, self._skip = x, true, skip
        edge = np.full(len(x), np.inf) if true is None else true
        self._low, self._high = (edge - _BAND).astype(np.float32), (edge + _BAND).astype(np.float32)
        # Used again for every block: fresh memory comes page by page, which takes longer than counting.
        self._scores = np.empty(len(x) * block, np.float32)
        self.count = np.zeros(len(x), np.int64)
        self._highest, self.whose = np.full(len(x), -np.inf, np.float32), np.full(len(x), -1, np.int64)

    def by_product(self, rows: FloatArray, start: int) -> None:
        """Let the rows (b, D) pass that begin at ``start``."""
        scores = self._scores[: len(self._x) * len(rows)].reshape(len(self._x), len(rows))
        with exactly(_CPU):
            torch.mm(torch.from_numpy(self._x), torch.from_numpy(rows).T, out=torch.from_numpy(scores))
        _check_finite(scores[0], start)  # a row that is not finite has no finite score with anybody
        inside = np.flatnonzero((self._skip >= start) & (self._skip < start + len(rows)))
        scores[inside, self._skip[inside] - start] = -np.inf
        top = scores.max(1)
        self.count += self._counted(scores, top, rows)
        for probe in np.flatnonzero(top > self._highest):
            self._highest[probe], self.whose[probe] = top[probe], start + scores[probe].argmax()

    def by_faiss(self, faiss: Any, rows: FloatArray, start: int) -> None:
        """The same, from the nearest ones that FAISS finds; those whose true one lies deeper by the product."""
        _check_finite(rows @ self._x[0], start)
        k = min(_NEAREST, len(rows))
        near, index = faiss.knn(self._x, rows, k, metric=faiss.METRIC_INNER_PRODUCT)
        last = near[:, -1].copy()
        near[index + start == self._skip[:, None]] = -np.inf
        top, first = near.max(1), near.argmax(1)
        count = self._counted(near, top, rows, index)
        # FAISS returns no more than it was asked for: a mate below the last of them may be deeper still.
        if self._true is not None and k < len(rows):
            deep = np.flatnonzero(last >= self._true - _BAND)
            if len(deep):
                others = _Searches(self._x[deep], self._true[deep], self._skip[deep], len(rows))
                others.by_product(rows, start)
                count[deep] = others.count
        self.count += count
        higher = top > self._highest
        self._highest[higher], self.whose[higher] = top[higher], start + index[higher, first[higher]]

    def _counted(
        self, scores: FloatArray, top: FloatArray, rows: FloatArray, index: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.int64]:
        """(p,) how many of the scores (p, m) are at least the true one's.

        Args:
            scores: of each probe.
            top: (p,) the highest of each.
            rows: of the gallery.
            index: (p, m) of which row each score is, where they are not in its order.
        """
        found = np.zeros(len(scores), np.int64)
        doubtful: list[tuple[int, npt.NDArray[np.int64]]] = []
        for probe in np.flatnonzero(top >= self._low).tolist():
            own, low, high = scores[probe], self._low[probe], self._high[probe]
            found[probe] = sure = np.count_nonzero(own > high)
            at_least = own >= low
            if np.count_nonzero(at_least) > sure:
                at = np.flatnonzero(at_least & (own <= high))
                doubtful.append((probe, at if index is None else index[probe, at]))
        if doubtful and self._true is not None:
            probes = np.repeat([probe for probe, _ in doubtful], [len(at) for _, at in doubtful])
            others = np.concatenate([at for _, at in doubtful])
            for some in _slices(len(probes), _PAIRS):
                exact = _exact(self._x[probes[some]], rows[others[some]])
                np.add.at(found, probes[some], exact >= self._true[probes[some]] - _EQUAL)
        return found


def _rows(people: FloatArray, start: int, end: int) -> FloatArray:
    """(end - start, D) float32, contiguous; a copy where the file that they are mapped from may only be read."""
    rows = np.ascontiguousarray(people[start:end], np.float32)
    return rows if rows.flags.writeable else rows.copy()


def _check_finite(scores: FloatArray, start: int) -> None:
    if not np.isfinite(scores).all():
        row = start + int(np.argmin(np.isfinite(scores)))
        raise MetricInputError(f"row {row} of the gallery has numbers that are not finite")


def _slices(n: int, step: int) -> list[slice]:
    return [slice(start, start + step) for start in range(0, n, step)]


def _exact(a: FloatArray, b: FloatArray) -> npt.NDArray[np.float64]:
    """(n,) inner products of rows, in float64."""
    products = [
        np.einsum("nd,nd->n", a[at].astype(np.float64), b[at].astype(np.float64)) for at in _slices(len(a), _PAIRS)
    ]
    return np.concatenate([np.zeros(0), *products])


def _scores_of(x: FloatArray, people: FloatArray, whose: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(n,) exact scores with one person each; -inf with nobody."""
    found = np.full(len(x), -np.inf)
    some = np.flatnonzero(whose >= 0)
    for at in (some[one] for one in _slices(len(some), _PAIRS)):
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


def _check(x: FloatArray, people: FloatArray, sizes: Sequence[int], mates: FloatArray | None) -> None:
    if x.ndim != 2 or people.ndim != 2 or x.shape[1] != people.shape[1] or not len(x):
        raise MetricInputError(f"probes are {x.shape}, people {people.shape}; pass (n, D) and (N, D)")
    if mates is not None and np.shape(mates) != x.shape:
        raise MetricInputError(f"mates are {np.shape(mates)}, probes {x.shape}; pass one mate for each probe")
    if not np.isfinite(x).all() or (mates is not None and not np.isfinite(mates).all()):
        raise MetricInputError("probes or mates have numbers that are not finite; pass unit vectors")
    if not sizes or list(sizes) != sorted(set(sizes)) or sizes[0] < 0 or sizes[-1] > len(people):
        raise MetricInputError(f"sizes are {list(sizes)}; pass ascending ones from 0 to {len(people)}")
