"""The scores behind a cell's rows, kept in ``scores.npz`` so that ``faceleak verify`` can compute the rows again.

By ``JUDGE/SPLIT/``: ``owner`` (L,) whose each leak is, ``leak`` (P,) and ``other`` (P,) every leak with its score
against each other photograph of its victim; of the victims also ``gallery`` (L, G) with ``gallery_owner`` (G,). By
``JUDGE/``, and without one for the defended system: ``tail`` and ``tail_of``, what every threshold follows from.
``psnr`` and ``ssim`` (L,) where there are pictures. Of a system ``pairs``, ``pairs_same``, ``pairs_fold`` and
``pairs_split`` of the ten folds, ``pairs_plain`` the undefended system's scores of the same pairs, ``genuine`` with
``genuine_owner`` and ``impostor`` of the victims, ``mated`` and ``other`` between keys; or, where published pictures
are measured, what `publication.py` keeps below ``JUDGE/published/``. Of attributes that were read, what `attributes.py`
keeps below ``read/``. Scores against the leaked photographs themselves are in ``scores.parquet``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .leaked import LeakedSet, gallery_of

Kept = dict[str, np.ndarray]


def under(place: str, kept: Kept) -> Kept:
    """``kept`` with its names moved below ``place``."""
    return {f"{place}/{name}": values for name, values in kept.items()}


def leak_scores(part: LeakedSet, similarity: np.ndarray, split: str) -> Kept:
    """What one judge said of L recoveries, (L, n) against every photograph of the split."""
    labels = part.faces.labels.numpy()
    leak, photograph = np.nonzero(part.photographs())
    kept = {"owner": labels[part.index.numpy()], "leak": leak, "other": similarity[leak, photograph]}
    if split == "victims":
        gallery = gallery_of(part.faces)
        kept |= {"gallery": similarity[:, gallery], "gallery_owner": labels[gallery]}
    return kept


def tail(impostor: np.ndarray, fmrs: Iterable[float]) -> Kept:
    """The impostor scores that decide every threshold: the largest ones, and how many there were in all."""
    most = min(len(impostor), int(max(fmrs) * len(impostor)) + 2)
    return {"tail": np.sort(impostor)[len(impostor) - most :], "tail_of": np.array(len(impostor))}
