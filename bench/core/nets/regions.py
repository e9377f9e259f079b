"""Where the face is in an aligned picture, as the share of each cell of a map that lies in it."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

# Ellipse of the face in an aligned crop, as shares of its side: centre x, y and half axes; about the hull of brows,
# cheeks, jaw and chin of the synthetic faces.
CENTRE, HALF = (0.50, 0.63), (0.32, 0.36)
DIRECTIONS = 64  # in which a hull is cut: it comes out wider by less than 0.13 % of its radius


@lru_cache(maxsize=16)
def ellipse_region(size: int, fine: int = 8) -> Tensor:
    """(1, 1, size, size): the share of each cell that lies in the ellipse, from ``fine`` x ``fine`` points."""
    steps = (torch.arange(size * fine) + 0.5) / (size * fine)
    x, y = ((steps - centre) / half for centre, half in zip(CENTRE, HALF, strict=True))
    inside = (x[None, :].square() + y[:, None].square() <= 1).float()
    return F.avg_pool2d(inside[None, None], fine)


def hull_region(points: Tensor, size: int) -> Tensor:
    """The convex hull of landmarks, 1 inside and 0 outside.

    A place lies in the hull where in no direction it lies farther out than all the points.

    Args:
        points: (N, P, 2) x and y as shares of the side.
        size: cells of the map.

    Returns:
        (N, 1, size, size), by the middle of each cell.
    """
    places = (torch.arange(size, device=points.device) + 0.5) / size
    inside = torch.ones(len(points), size, size, dtype=torch.bool, device=points.device)
    for k in range(DIRECTIONS):
        x, y = math.cos(2 * math.pi * k / DIRECTIONS), math.sin(2 * math.pi * k / DIRECTIONS)
        farthest = (x * points[..., 0] + y * points[..., 1]).amax(1)  # (N,)
        inside &= (x * places[None, :] + y * places[:, None])[None] <= farthest[:, None, None]
    return inside[:, None].float()
