"""Where the crop that recognisers take has what: boxes about ArcFace's template of five points, nothing is detected.

The template, pixels of a side of 112: eyes (38.29, 51.70) and (73.53, 51.50), tip of the nose (56.03, 71.74), corners
of the mouth (41.55, 92.37) and (70.73, 92.20).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom, pixels of the 112-pixel crop

SIDE = 112
EYES: tuple[Box, ...] = ((23.3, 42.7, 53.3, 60.7), (58.5, 42.5, 88.5, 60.5))
BROWS: tuple[Box, ...] = ((20.3, 32.7, 53.3, 42.7), (58.5, 32.5, 91.5, 42.5))
NOSE: tuple[Box, ...] = ((44.0, 50.0, 68.0, 80.0),)
MOUTH: tuple[Box, ...] = ((35.5, 82.3, 76.7, 102.3),)


def covered(boxes: Sequence[Box], h: int, w: int, grow: float = 1.0) -> Tensor:
    """(h, w) bool: the pixels whose centre lies in one of ``boxes``, each ``grow`` times as wide and high."""
    y, x = (((torch.arange(size) + 0.5) * SIDE / size - 0.5) for size in (h, w))
    hidden = torch.zeros(h, w, dtype=torch.bool)
    for left, top, right, bottom in boxes:
        across = (x - (left + right) / 2).abs() <= grow * (right - left) / 2
        down = (y - (top + bottom) / 2).abs() <= grow * (bottom - top) / 2
        hidden |= down[:, None] & across[None, :]
    return hidden
