"""Thresholds at a stated false match rate, from all cross-identity pairs of the calibration identities.

Scores are similarities (higher = more similar) and a comparison is *accepted* when its score is strictly above
the threshold; a threshold is set once, on calibration identities, and used unchanged everywhere after.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .arrays import FloatArray, LabelArray, MetricInputError, check_features, check_labels, check_scores, check_share

Similarity: TypeAlias = Callable[[npt.NDArray[Any], npt.NDArray[Any]], npt.NDArray[Any]]

REFUSE_BELOW = 10  # false accepts behind a threshold, and pairs of people behind these; fewer is refused
WARN_BELOW = 30  # Doddington's rule of 30; fewer is flagged


class TooFewFalseAccepts(MetricInputError):
    """The impostor pairs cannot support the FMR asked for.

    Attributes:
        fmr: target.
        n_impostor: impostor pairs at hand.
        expected: fmr * n_impostor; below 10 unless the accepts are of fewer than 10 pairs of people.
        identity_pairs: pairs of people behind the false accepts, None if not told.
    """

    def __init__(self, fmr: float, n_impostor: int, identity_pairs: int | None = None) -> None:
        self.fmr, self.n_impostor, self.expected = fmr, n_impostor, fmr * n_impostor
        self.identity_pairs = identity_pairs
        if identity_pairs is not None:
            super().__init__(
                f"FMR {fmr:g} on {n_impostor} impostor pairs rests on false accepts of {identity_pairs} pairs of "
                f"people, fewer than {REFUSE_BELOW}: use more calibration identities or a larger FMR"
            )
            return
        needed = math.ceil(REFUSE_BELOW / fmr)
        super().__init__(
            f"FMR {fmr:g} on {n_impostor} impostor pairs rests on {self.expected:.3g} false accepts, fewer than "
            f"{REFUSE_BELOW}: use at least {needed} pairs (more calibration identities) or a larger FMR"
        )


@dataclass(frozen=True)
class Threshold:
    """A calibrated threshold and what stands behind it.

    Attributes:
        value: accept when score > value.
        target: FMR asked for, fraction.
        fmr: FMR achieved on the calibration pairs, <= target.
        false_accepts: calibration impostor pairs above `value`; floor(target * n_impostor) unless scores tie.
        n_impostor: calibration impostor pairs.
        n_identities: calibration identities, None if not told.
        warn: fewer than 30 false accepts stand behind the value (flag F6); where it is known whose they are, false
            accepts of fewer than 30 pairs of people.
        identity_pairs: pairs of people behind the false accepts, None if not told. Comparisons of the same two people
            are one piece of evidence, not many.
    """

    value: float
    target: float
    fmr: float
    false_accepts: int
    n_impostor: int
    n_identities: int | None
    warn: bool
    identity_pairs: int | None = None


def cosine_matrix(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Cosine similarities (n, m), range [-1, 1], of rows (n, d) and (m, d); they need not be unit norm.

    Raises:
        MetricInputError: a row is zero (its direction, hence its score, is undefined).
    """
    sides = []
    for rows in (a, b):
        norm = np.linalg.norm(rows, axis=1, keepdims=True)
        if not norm.all():
            raise MetricInputError(f"{int((norm == 0).sum())} embeddings are all zero; score a failure as -inf instead")
        sides.append(rows / norm)
    scores: npt.NDArray[np.float32] = np.clip(sides[0] @ sides[1].T, -1, 1).astype(np.float32)
    return scores


def all_pairs_scores(
    embeddings: npt.ArrayLike, identities: npt.ArrayLike, similarity: Similarity = cosine_matrix, chunk: int = 1024
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Scores of every unordered pair of images: n (n - 1) / 2 in all, each once, none with itself.

    Args:
        embeddings: (n, d), finite; one per image.
        identities: (n,) labels.
        similarity: (p, d), (q, d) -> (p, q), symmetric, higher = more similar; cosine by default.
        chunk: rows at once; bounds the memory to chunk * n scores beside the result.

    Returns:
        genuine: (n_genuine,) float32, pairs of one identity.
        impostor: (n_impostor,) float32, all pairs of two identities.

    Raises:
        MetricInputError: wrong shapes or non-finite embeddings.
    """
    genuine, impostor = [], []
    _, codes, blocks = _blocks(embeddings, identities, similarity, chunk)
    for start, scores in blocks:
        rows = np.arange(start, start + len(scores))[:, None]
        columns = np.arange(start, len(codes))[None, :]
        later, same = columns > rows, codes[rows] == codes[columns]
        genuine.append(scores[later & same])
        impostor.append(scores[later & ~same])
    return np.concatenate(genuine), np.concatenate(impostor)


def impostor_scores(
    embeddings: npt.ArrayLike, identities: npt.ArrayLike, similarity: Similarity = cosine_matrix, chunk: int = 1024
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The impostor scores of `all_pairs_scores`, in its order, with the two people of each.

    Args:
        embeddings: (n, d), finite.
        identities: (n,) labels of I identities.
        similarity: as for `all_pairs_scores`.
        chunk: rows at once.

    Returns:
        scores: (m,) float32.
        first: (m,) the one person, 0 to I - 1 in the sorted order of labels.
        second: (m,) the other.
    """
    scores, first, second = [], [], []
    _, codes, blocks = _blocks(embeddings, identities, similarity, chunk)
    for start, block in blocks:
        rows, columns = np.arange(start, start + len(block))[:, None], np.arange(start, len(codes))[None, :]
        wanted = (columns > rows) & (codes[rows] != codes[columns])
        row, column = np.nonzero(wanted)
        scores.append(block[wanted])
        first.append(codes[start + row])
        second.append(codes[start + column])
    return np.concatenate(scores), np.concatenate(first), np.concatenate(second)


def impostor_counts(
    embeddings: npt.ArrayLike,
    identities: npt.ArrayLike,
    threshold: float,
    similarity: Similarity = cosine_matrix,
    chunk: int = 1024,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Accepted and total image pairs between each two identities, the input of `subject_bootstrap_fmr`.

    Args:
        embeddings: (n, d), finite.
        identities: (n,) labels of I identities.
        threshold: accept when score > threshold.
        similarity: as for `all_pairs_scores`.
        chunk: rows at once.

    Returns:
        accepts: (I, I), symmetric, diagonal 0; identities in sorted order.
        totals: (I, I), n_i * n_j off the diagonal, 0 on it.
    """
    labels, codes, blocks = _blocks(embeddings, identities, similarity, chunk)
    accepts = np.zeros((len(labels), len(labels)))
    for start, scores in blocks:
        row, column = np.nonzero(scores > threshold)
        later = column > row  # both count from `start`
        np.add.at(accepts, (codes[start + row[later]], codes[start + column[later]]), 1)
    accepts = accepts + accepts.T
    sizes = np.bincount(codes).astype(np.float64)
    totals = np.outer(sizes, sizes)
    np.fill_diagonal(accepts, 0)
    np.fill_diagonal(totals, 0)
    return accepts, totals


def calibrate(
    impostor_scores: npt.ArrayLike,
    fmr: float,
    n_identities: int | None = None,
    pair_of: npt.ArrayLike | None = None,
) -> Threshold:
    """The smallest threshold t whose false match rate stays within the target.

        FMR(t) = #(s > t) / n <= fmr,  t minimal  =>  t = the (floor(fmr * n) + 1)-th largest score

    Never the nearest rate, never interpolated: any smaller t would accept more than the target. Tied scores
    are rejected together, so the rate achieved can fall below the target.

    Args:
        impostor_scores: (n,) scores of calibration pairs of two identities.
        fmr: target, fraction in (0, 1).
        n_identities: how many identities the pairs come from; recorded.
        pair_of: (n,) a number for the two people of each score; false accepts are then counted by pairs of people.

    Returns:
        `Threshold`.

    Raises:
        TooFewFalseAccepts: fmr * n < 10, or the false accepts are of fewer than 10 pairs of people.
        MetricInputError: scores with NaN, or a target outside (0, 1).

    >>> found = calibrate(np.arange(1000) / 1000, fmr=0.01)
    >>> found.value, found.false_accepts, found.warn  # ten scores lie above 0.989: enough to stand, few enough to warn
    (0.989, 10, True)
    """
    scores: FloatArray = check_scores(impostor_scores, "impostor_scores")
    check_share(fmr, "fmr")
    n = scores.size
    allowed = allowed_accepts(fmr, n)
    if allowed < REFUSE_BELOW:
        raise TooFewFalseAccepts(fmr, n)
    value = float(np.partition(scores, n - 1 - allowed)[n - 1 - allowed])
    accepted = int((scores > value).sum())
    if pair_of is None:
        return Threshold(value, fmr, accepted / n, accepted, n, n_identities, accepted < WARN_BELOW)
    pairs = len(np.unique(check_labels(pair_of, n, "pair_of")[scores > value]))
    if pairs < REFUSE_BELOW:
        raise TooFewFalseAccepts(fmr, n, pairs)
    return Threshold(value, fmr, accepted / n, accepted, n, n_identities, pairs < WARN_BELOW, pairs)


def allowed_accepts(fmr: float, n: int) -> int:
    """Largest k with k / n <= fmr: how many of n comparisons may be accepted. The plain product loses 29 of 100 at 0.29
    to rounding."""
    k = math.floor(fmr * n)
    return k + 1 if (k + 1) / n <= fmr else k


def _blocks(
    embeddings: npt.ArrayLike, identities: npt.ArrayLike, similarity: Similarity, chunk: int
) -> tuple[LabelArray, npt.NDArray[np.intp], Iterator[tuple[int, npt.NDArray[np.float32]]]]:
    """Identities, their codes (n,), and row blocks (start, scores against rows >= start)."""
    if chunk < 1:
        raise MetricInputError(f"chunk is {chunk}; take at least one row at a time")
    rows = check_features(embeddings, "embeddings")
    labels, codes = np.unique(check_labels(identities, len(rows), "identities"), return_inverse=True)
    blocks = (
        (start, np.asarray(similarity(rows[start : start + chunk], rows[start:]), dtype=np.float32))
        for start in range(0, len(rows), chunk)
    )
    return labels, codes, blocks
