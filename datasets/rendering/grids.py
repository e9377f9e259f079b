"""The map on which heads are painted: (u, v) texels, their directions from the head's centre, and fixed noise.

A head is a star-shaped surface: radius H(d) along each direction d. Directions are unrolled stereographically from the
back of the head, (s, t) = (dx, dy) / (1 + dz), which keeps angles (a round mole stays round) and needs no trigonometry.
Texel coordinates a = k s / sqrt(1 + m^2 s^2) then spend most texels on the front of the face.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...bench.core.seeding import Rng

Rows = TypeVar("Rows")
FEW = 2  # faces whose whole maps are worked on at a time: they stay in the cache, which is three times as fast
TEXELS = 128  # per side: 32 between the eyes, about one per pixel of a 112-pixel crop
SLOPE = 1.3  # k: texels per s at the centre, relative to an even spread over [-1, 1]
BEND = SLOPE**2 - 1 / 1.6**2  # m^2, so that the map ends at |s| = 1.6, 116 degrees from the front


@dataclass(frozen=True)
class Grid:
    """The fixed tables of the texel map.

    Attributes:
        s, t: (G,) float32, coordinate of each column (to the viewer's right) and row (up, so descending).
        direction: (3, G, G) unit vectors.
        along_s, along_t: (3, G, G) unit tangents.
        stretch: (G, G) length of direction per length of (s, t).
        noise: (M, G, G) zero mean, unit deviation, from coarse to fine.
        strands: (3, G, G) hair: fine strands, coarse locks, curls.
    """

    s: Tensor
    t: Tensor
    direction: Tensor
    along_s: Tensor
    along_t: Tensor
    stretch: Tensor
    noise: Tensor
    strands: Tensor


@dataclass(frozen=True)
class Window:
    """A rectangle of the texel map: painting an eye need not touch the whole head."""

    rows: slice
    columns: slice
    s: Tensor  # (1, w)
    t: Tensor  # (h, 1)


def to_texel(s: Tensor) -> Tensor:
    """Map coordinate in [-1, 1] of a stereographic coordinate in [-1.6, 1.6]."""
    return SLOPE * s / torch.sqrt(1 + BEND * s * s)


def _smooth_noise(count: int, cells: tuple[int, int], label: str) -> Tensor:
    """(count, G, G): white noise on `cells`, interpolated, unit deviation."""
    white = Rng(0, "rendering", "tables", label).normal(torch.arange(count), cells).double()
    smooth = F.interpolate(white[None], (TEXELS, TEXELS), mode="bicubic", align_corners=False)[0]
    return (smooth - smooth.mean((1, 2), keepdim=True)) / smooth.std((1, 2), keepdim=True)


def _strands(s: Tensor, t: Tensor) -> Tensor:
    """(3, G, G): noise that runs away from the crown, as combed hair does."""
    dx, dy = s[None, :].expand(TEXELS, -1), (1.25 - t)[:, None].expand(-1, TEXELS)
    where = torch.stack([torch.atan2(dx, dy) / 1.6, torch.hypot(dx, dy) - 1], dim=-1)[None].clamp(-1, 1)
    fine = _smooth_noise(1, (3, 90), "strands")
    coarse = _smooth_noise(1, (3, 24), "locks")
    combed = F.grid_sample(torch.cat([fine, coarse])[None], where, align_corners=False)[0]
    return torch.cat([combed, _smooth_noise(1, (40, 40), "curls")])


@lru_cache(maxsize=4)
def grid(device: torch.device, dtype: torch.dtype = torch.float32) -> Grid:
    """The tables on `device`, made once, in double precision: processors agree on them."""
    a = (2 * torch.arange(TEXELS).double() + 1) / TEXELS - 1
    s = a / torch.sqrt(SLOPE**2 - BEND * a * a)
    t = -s
    ss, tt = s[None, :].expand(TEXELS, -1), t[:, None].expand(-1, TEXELS)
    scale = 2 / (1 + ss * ss + tt * tt)
    direction = torch.stack([scale * ss, scale * tt, scale - 1])
    along_s = torch.stack([1 - scale * ss * ss, -scale * ss * tt, -scale * ss])
    along_t = torch.stack([-scale * ss * tt, 1 - scale * tt * tt, -scale * tt])
    noise = torch.cat([_smooth_noise(3, (c, c), f"noise {c}") for c in (6, 16, 50)])
    tables = (s, t, direction, along_s, along_t, scale, noise, _strands(s, t))
    return Grid(*(table.contiguous().to(dtype).to(device) for table in tables))


def rows_of(whole: Rows, at: slice) -> Rows:
    """Some rows of a dataclass of tensors whose first axis they all share."""
    return replace(whole, **{one.name: getattr(whole, one.name)[at] for one in fields(whole)})  # type: ignore[type-var,arg-type]


def window(g: Grid, left: float, right: float, bottom: float, top: float) -> Window:
    """The texels with left <= s <= right and bottom <= t <= top."""
    edges = to_texel(torch.tensor([left, right, -top, -bottom], dtype=torch.float64))
    first, last, upper, lower = ((edges + 1) / 2 * TEXELS).round().clamp(0, TEXELS).int().tolist()
    rows, columns = slice(upper, lower), slice(first, last)
    return Window(rows, columns, g.s[columns].reshape(1, -1), g.t[rows].reshape(-1, 1))


def shifted(x: Tensor, reach: int, axis: int) -> list[Tensor]:
    """The 2 reach + 1 copies of (N, h, w) `x` shifted along `axis`, edges repeated: pooling by these is faster."""
    pad = (reach, reach, 0, 0) if axis == 2 else (0, 0, reach, reach)
    wide = F.pad(x[:, None], pad, mode="replicate")[:, 0]
    return [wide.narrow(axis, k, x.shape[axis]) for k in range(2 * reach + 1)]


def merged(x: Tensor) -> Tensor:
    """(..., h, w): the mean of four pictures stacked along the rows of (..., 4 h, w)."""
    one, two, three, four = x.chunk(4, dim=-2)
    return ((one + two) + (three + four)) * 0.25


def ramp(x: Tensor) -> Tensor:
    """A step from 0 to 1 over x in [-1/2, 1/2]: the anti-aliased edge used everywhere."""
    return (x + 0.5).clamp(0, 1)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)); torch.sigmoid's last bit depends on where in the batch a number stands, tanh's does not."""
    return 0.5 + 0.5 * torch.tanh(0.5 * x)


def power(x: Tensor, exponent: Tensor | float) -> Tensor:
    """x ** exponent for x > 0; in place of torch.pow for the same reason."""
    return torch.exp(exponent * torch.log(x))


def bell(x: Tensor) -> Tensor:
    """exp(-x^2 / 2)."""
    return torch.exp(-0.5 * x * x)
