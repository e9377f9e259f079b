"""Where things are in each picture of a set: landmarks, parts of the face, and a sentence about it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Anatomy:
    """What a data set knows of N pictures.

    Args:
        landmarks: (N, P, 2) x and y as shares of the picture's side, 0 its left or upper edge; the first five are
            those of ArcFace's template: eyes, tip of the nose, corners of the mouth.
        landmark_names: of the P points.
        parts: (N, s, s) uint8, which part each pixel shows, or None where the set knows points only.
        part_names: of the values of ``parts``.
        captions: a sentence about each picture, or None.
    """

    landmarks: Tensor
    landmark_names: tuple[str, ...]
    parts: Tensor | None = None
    part_names: tuple[str, ...] = ()
    captions: tuple[str, ...] | None = None
