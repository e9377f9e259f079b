"""What measurements keep of scores, so that rows can be computed from it again without data, weights or templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np

from ..leak.leaked import LeakedSet, gallery_of
from ..metrics.calibration import Calibration, calibration
from ..metrics.thresholds import Threshold

Kept: TypeAlias = "dict[str, np.ndarray]"


def under(place: str, kept: Mapping[str, np.ndarray]) -> Kept:
    """``kept`` with its names moved below ``place``."""
    return {f"{place}/{name}": values for name, values in kept.items()}


def below(place: str, kept: Mapping[str, np.ndarray]) -> Kept:
    """What ``under`` moved, with its own names."""
    return {name.removeprefix(f"{place}/"): values for name, values in kept.items() if name.startswith(f"{place}/")}


def tail(impostor: np.ndarray, people: tuple[np.ndarray, np.ndarray], fmrs: Iterable[float]) -> Kept:
    """All that thresholds and their intervals need of impostor scores (``bench/metrics/calibration.py``).

    Args:
        impostor: (n,) scores of pairs of two people.
        people: (n,) and (n,) who they are, numbers from 0.
        fmrs: at which thresholds will be asked for.
    """
    return calibration(impostor, *people, list(fmrs)).kept()


def calibrated(kept: Mapping[str, np.ndarray]) -> Calibration:
    """What ``tail`` kept."""
    return Calibration.of(kept)


def thresholds(kept: Mapping[str, np.ndarray], fmrs: Iterable[float]) -> dict[float, Threshold | None]:
    """Per FMR, from what ``tail`` kept; None where too few false accepts, or pairs of people, stand behind it."""
    known = calibrated(kept)
    return {fmr: known.threshold(fmr) for fmr in fmrs}


def judges_in(kept: Mapping[str, np.ndarray]) -> list[str]:
    """The judges whose scores were kept, in the order in which they were."""
    return [name.removesuffix("/tail") for name in kept if name.endswith("/tail")]


def leak_scores(part: LeakedSet, similarity: np.ndarray) -> Kept:
    """What one judge said of L recoveries, (L, n) against every photograph of the split.

    ``owner`` (L,) whose each leak is; ``same`` (L,) with the very photograph; ``leak`` (P,) and ``other`` (P,)
    every leak with its score against each other photograph of its victim.
    """
    labels, index = part.faces.labels.numpy(), part.index.numpy()
    leak, photograph = np.nonzero(part.photographs())
    return {
        "owner": labels[index], "same": similarity[np.arange(len(index)), index], "leak": leak,
        "other": similarity[leak, photograph],
    }  # fmt: skip


def gallery_scores(part: LeakedSet, similarity: np.ndarray) -> Kept:
    """``gallery`` (L, G) against one photograph of everybody, also where only some leaked; ``gallery_owner`` (G,)."""
    labels, gallery = part.faces.labels.numpy(), gallery_of(part.faces)
    return {
        "owner": labels[part.index.numpy()], "gallery": similarity[:, gallery], "gallery_owner": labels[gallery],
    }  # fmt: skip
