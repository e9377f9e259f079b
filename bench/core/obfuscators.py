"""What hides a face by a formula: squares of one colour, blur, median, and the mean face in the face's place.

Functions of pictures (N, 3, H, W) in [0, 1] -> the same shape and range, each picture on its own.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

# Where an aligned crop shows the face without hair and background: centre and half axes, shares of the side.
OVAL = ((0.5, 0.62), (0.36, 0.44))
EDGE = 0.15  # width of its soft edge / its half axes


def pixelated(images: Tensor, cells: int) -> Tensor:
    """Each of ``cells`` x ``cells`` blocks becomes its mean colour."""
    small = F.adaptive_avg_pool2d(images, cells)
    return F.interpolate(small, images.shape[-2:], mode="nearest").clamp(0, 1)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of ``sigma`` pixels, cut off at four standard deviations, borders repeated."""
    rows, columns = (gaussian(size, sigma).to(images) for size in images.shape[-2:])
    return (rows @ images @ columns.T).clamp(0, 1)


@lru_cache(maxsize=64)
def gaussian(size: int, sigma: float) -> Tensor:
    """(size, size) float64: the blur of one axis as a matrix; every row sums to 1."""
    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offsets.double() / sigma).square())
    source = (torch.arange(size)[:, None] + offsets).clamp(0, size - 1)  # beyond the border: its last pixel again
    blur = torch.zeros(size, size, dtype=torch.float64)
    return blur.scatter_add_(1, source, (weights / weights.sum()).expand(size, -1))


def median_filtered(images: Tensor, window: int) -> Tensor:
    """Each value becomes the median of the ``window`` x ``window`` around it (window odd), borders repeated."""
    around = F.pad(images, (window // 2,) * 4, mode="replicate").unfold(2, window, 1).unfold(3, window, 1)
    return around.flatten(-2).median(-1).values


def with_mean_face(images: Tensor, mean: Tensor) -> Tensor:
    """``mean``, a (3, h, w) picture, in the place of the face; hair, ears and background stay."""
    face = F.interpolate(mean[None], images.shape[-2:], mode="bilinear", antialias=True).clamp(0, 1)
    inside = oval(*images.shape[-2:]).to(images)
    return inside * face + (1 - inside) * images


@lru_cache(maxsize=8)
def oval(h: int, w: int) -> Tensor:
    """(h, w) in [0, 1]: 1 where an aligned crop shows the face, 0 outside, a ramp between."""
    (x, y), (across, down) = OVAL
    columns = ((torch.arange(w) + 0.5) / w - x) / across
    rows = ((torch.arange(h) + 0.5) / h - y) / down
    radius = (rows[:, None].square() + columns.square()).sqrt()
    return ((1 - radius) / EDGE + 0.5).clamp(0, 1)
