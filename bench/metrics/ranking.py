"""Rank-k re-identification in a gallery, the source image excluded, and what blind guessing would reach."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from .arrays import BoolArray, IntArray, MetricInputError, check_labels


def true_ranks(
    similarity: npt.ArrayLike,
    probe_identity: npt.ArrayLike,
    gallery_identity: npt.ArrayLike,
    exclude: npt.ArrayLike | None = None,
) -> IntArray:
    """Rank of the true identity among the gallery *identities*, 1 = best.

        rank = 1 + #(other identities whose best score >= the true identity's best score)

    Ties count against the attacker: an attack that scores everybody equally is last, not first.

    Args:
        similarity: (n, m) scores of n reconstructions against m gallery images; -inf = failure.
        probe_identity: (n,) true identities.
        gallery_identity: (m,) labels of G <= m identities.
        exclude: (n,) gallery index of the source image of each probe, -1 if it is not in the gallery; it is
            taken out for that probe. None = none is.

    Returns:
        Ranks (n,), range [1, G].

    Raises:
        MetricInputError: wrong shapes, NaN, an index out of range, or a probe whose identity has no gallery
            image left.
    """
    scores = np.array(similarity, dtype=np.float64)
    if scores.ndim != 2 or 0 in scores.shape or np.isnan(scores).any():
        raise MetricInputError(f"similarity is {scores.shape} (or has NaN); pass (probes, gallery), failures as -inf")
    n, m = scores.shape
    probes = check_labels(probe_identity, n, "probe_identity")
    labels, codes = np.unique(check_labels(gallery_identity, m, "gallery_identity"), return_inverse=True)
    sources = check_labels(np.full(n, -1) if exclude is None else exclude, n, "exclude")
    if not np.issubdtype(sources.dtype, np.integer) or sources.min() < -1 or sources.max() >= m:
        raise MetricInputError(f"exclude spans [{sources.min()}, {sources.max()}]; pass indices below {m}, or -1")
    present = np.ones((n, m), dtype=np.bool_)
    present[np.flatnonzero(sources >= 0), sources[sources >= 0]] = False
    true = np.searchsorted(labels, probes).clip(max=len(labels) - 1)
    lost = np.flatnonzero(~(present & (codes[None, :] == true[:, None])).any(axis=1) | (labels[true] != probes))
    if lost.size:
        raise MetricInputError(
            f"{lost.size} probes (first: {lost[0]}, identity {probes[lost[0]]}) have no gallery image besides their "
            "source; enrol another photo of them or leave them out"
        )
    scores[~present] = -np.inf
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(labels)))
    best = np.maximum.reduceat(scores[:, order], starts, axis=1)  # (n, G)
    rank: IntArray = (best >= best[np.arange(n), true][:, None]).sum(axis=1)  # counts the true one: the 1 +
    return rank


def places(similarity: npt.ArrayLike, last: int) -> npt.NDArray[np.signedinteger]:
    """Scores -> what ranks follow from, far smaller: minus the place of each gallery image, so that more is nearer.

    In a gallery of one image per identity `true_ranks` and all that is made of ranks up to ``last`` say of these just
    what they say of the scores: ties count against the attacker here already.

    Args:
        similarity: (n, m) scores; -inf = failure.
        last: the largest rank that will be asked for; what comes behind is one place.

    Returns:
        (n, m) of -1, the nearest, to -(last + 1); the smallest type that holds them.

    Raises:
        MetricInputError: wrong shapes, or NaN.

    >>> places([[0.1, 0.9, 0.9, 0.4]], 3).tolist()
    [[-4, -2, -2, -3]]
    """
    scores = np.asarray(similarity, dtype=np.float64)
    if scores.ndim != 2 or 0 in scores.shape or np.isnan(scores).any():
        raise MetricInputError(f"similarity is {scores.shape} (or has NaN); pass (probes, gallery), failures as -inf")
    ranks = np.minimum(rankdata(-scores, method="max", axis=1), last + 1)
    return np.asarray(-ranks).astype(np.min_scalar_type(-last - 1))


def rank_k(
    similarity: npt.ArrayLike,
    probe_identity: npt.ArrayLike,
    gallery_identity: npt.ArrayLike,
    k: int,
    exclude: npt.ArrayLike | None = None,
) -> BoolArray:
    """Whether the true identity is among the k best gallery identities, per reconstruction.

    The macro rate is `by_identity(hits, probe_identity)`; chance is `chance(k, G)`.

    Args:
        similarity: (n, m) scores.
        probe_identity: (n,) true identities.
        gallery_identity: (m,) labels.
        k: 1 <= k <= G.
        exclude: (n,) gallery index of each probe's source image, or -1; see `true_ranks`.

    Returns:
        Hits (n,), bool.

    Raises:
        MetricInputError: as `true_ranks`, or k outside [1, G].
    """
    chance(k, np.unique(np.asarray(gallery_identity)).size)
    return true_ranks(similarity, probe_identity, gallery_identity, exclude) <= k


def chance(k: int, gallery: int) -> float:
    """Rank-k rate of blind guessing among `gallery` identities: k / G.

    Raises:
        MetricInputError: k outside [1, G].
    """
    if not 1 <= k <= gallery:
        raise MetricInputError(f"k is {k} in a gallery of {gallery} identities; pass 1 <= k <= {gallery}")
    return k / gallery


def lift(rate: float, gallery: int, k: int = 1) -> float:
    """How many times better than chance: rate / (k / G); for rank-1 that is rate * G.

    Raises:
        MetricInputError: k outside [1, G].

    >>> lift(0.5, gallery=100)
    50.0
    """
    return rate / chance(k, gallery)
