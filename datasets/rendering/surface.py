"""The shape of the head: a radius for every direction, from an ellipsoid and a table of bumps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .grids import Grid
from .layout import Layout

Number = Tensor | float


@dataclass(frozen=True)
class Bump:
    """A Gaussian bump on the radius: height * exp(-(s - s0)^2 / 2 ws^2) * exp(-(t - t0)^2 / 2 w^2).

    `mirrored` bumps sit on both sides (|s| instead of s); `up` and `down` are the widths above and below t0.
    """

    height: Number
    s: Number
    t: Number
    width: Number
    up: Number
    down: Number
    mirrored: bool = True


def _bony(f: Layout) -> list[Bump]:
    w = f.who
    chin = f.chin_t
    side = w["asymmetry_cheeks"]
    return [
        Bump(0.17 + 0.03 * w["chin_protrusion"], 0.0, chin, 0.125 + 0.022 * w["chin_width"], 0.09, 0.055, False),
        Bump(0.055 + 0.015 * w["jaw_fullness"], 0.32, chin + 0.04, 0.12, 0.10, 0.07),
        Bump(-0.02 + 0.038 * w["jaw_width"], 0.62, -0.42 + 0 * chin, 0.17, 0.15, 0.15),
        Bump(0.035 + 0.02 * w["cheekbones"], 0.37, -0.09, 0.11, 0.07, 0.08),
        Bump(0.03 * w["cheek_fullness"] + 0.025 * w["jaw_fullness"], 0.33, -0.29, 0.14, 0.11, 0.12),
        Bump(0.02 * side, 0.35, -0.25, 0.16, 0.2, 0.2, False),
        Bump(0.030 + 0.014 * w["brow_ridge"], 0.17, f.brow_t - 0.03, 0.12, 0.045, 0.035),
        Bump(-0.035 + 0.025 * w["temple_width"], 0.58, 0.20, 0.13, 0.15, 0.12),
        Bump(0.022 * w["forehead_bulge"], 0.0, 0.30, 0.26, 0.14, 0.12, False),
        Bump(0.03 * w["jaw_fullness"], 0.0, -0.68, 0.30, 0.05, 0.08, False),
        Bump(0.012 * (w["wrinkles"] + w["jaw_fullness"]), 0.40, -0.50, 0.09, 0.06, 0.05),
    ]


def _eyes_and_nose(f: Layout) -> list[Bump]:
    w = f.who
    tip, nose = f.tip_t, f.nose_s
    return [
        Bump(-0.088 - 0.016 * w["eye_depth"], f.eye_s, f.eye_t + 0.01, 0.100, 0.062, 0.062),
        Bump(0.045 + 0.004 * w["eye_size"], f.eye_s, f.eye_t, 0.055, 0.036, 0.036),
        Bump(-0.012 - 0.006 * w["eye_bags"], f.eye_s, f.eye_t - 0.075, 0.07, 0.015, 0.012),
        Bump(0.045 + 0.016 * w["nose_bridge"] - 0.006 * w["east_asian"], nose, 0.02, 0.036, 0.09, 0.08, False),
        Bump(0.10 + 0.018 * w["nose_bridge"], nose, tip + 0.065, 0.038 + 0.003 * w["nose_width"], 0.075, 0.05, False),
        Bump(0.020 * w["nose_hump"], nose, tip + 0.095, 0.030, 0.025, 0.025, False),
        Bump(0.155 + 0.018 * w["nose_tip"], nose, tip, 0.043 + 0.004 * w["nose_tip"],
             0.045, 0.027 + 0.004 * w["nose_upturn"], False),
        Bump(0.085 + 0.010 * w["nostrils"], f.wing_s, tip - 0.022, 0.028 + 0.002 * w["nostrils"], 0.032, 0.022),
        Bump(0.050, nose, tip + 0.03, 0.09 + 0.008 * w["nose_width"], 0.07, 0.05, False),
    ]  # fmt: skip


def _mouth(f: Layout) -> list[Bump]:
    w = f.who
    mouth, middle = f.mouth_t, f.mouth_s
    return [
        Bump(0.080 + 0.020 * w["muzzle"], 0.0, mouth, 0.17, 0.11, 0.13, False),
        Bump(-0.010 - 0.006 * w["philtrum"], 0.0, -0.265, 0.014, 0.04, 0.03, False),
        Bump(0.012 + 0.45 * f.lip_up, middle, mouth + 0.45 * f.lip_up + 0.2 * f.gap, 0.085, 0.017, 0.020, False),
        Bump(0.010 + 0.45 * f.lip_down, middle, mouth - 0.6 * f.lip_down - 0.8 * f.gap, 0.09, 0.022, 0.026, False),
        Bump(-0.040, 0.0, mouth - 0.095 - 0.8 * f.gap, 0.10, 0.026, 0.024, False),
        Bump(0.035 * f.smile, 0.27, -0.14, 0.09, 0.07, 0.06),
        Bump(-0.030 * f.smile.clamp(min=0), f.mouth_half + 0.035, mouth + 0.02, 0.03, 0.05, 0.05),
    ]


def _sum_of_bumps(bumps: list[Bump], g: Grid, n: int) -> Tensor:
    """(N, G, G): all bumps, as one product of a (G, K) and a (K, G) matrix per face."""

    def column(values: list[Number]) -> Tensor:
        full = [torch.as_tensor(v, dtype=g.s.dtype, device=g.s.device).reshape(-1, 1).expand(n, 1) for v in values]
        return torch.cat(full, dim=1)[..., None]  # (N, K, 1)

    mirrored = torch.tensor([b.mirrored for b in bumps], device=g.s.device).reshape(1, -1, 1)
    across = torch.where(mirrored, g.s.abs(), g.s) - column([b.s for b in bumps])
    along = g.t - column([b.t for b in bumps])
    width = torch.where(along > 0, column([b.up for b in bumps]), column([b.down for b in bumps]))
    left = torch.exp(-0.5 * (along / width).square()) * column([b.height for b in bumps])
    right = torch.exp(-0.5 * (across / column([b.width for b in bumps])).square())
    out = left.new_empty(n, g.t.numel(), g.s.numel())
    for i in range(n):  # one product per face: a batched one may choose another order of summation
        torch.mm(left[i].T, right[i], out=out[i])
    return out


def scale(f: Layout) -> Tensor:
    """(N, 3) width, height and depth of the head relative to the average."""
    w = f.who
    factors = (
        1 + 0.040 * w["face_width"],
        1 + 0.030 * w["face_length"],
        1 + 0.035 * w["face_depth"],
    )
    return torch.cat([x.reshape(-1, 1) for x in factors], dim=1)


def radius(f: Layout, g: Grid) -> Tensor:
    """(N, G, G): distance of the skin from the head's centre, in units of 100 mm, before `scale`."""
    x, y, z = g.direction
    base: Tensor = ((x.abs() / 0.72) ** 2.3 + (y.abs() / 1.12) ** 2.3 + (z.abs() / 0.92) ** 2.3) ** (-1 / 2.3)
    n = f.eye_s.shape[0]
    return base + _sum_of_bumps(_bony(f) + _eyes_and_nose(f) + _mouth(f), g, n)


def normals(height: Tensor, size: Tensor, g: Grid) -> Tensor:
    """(N, 3, G, G) outward unit normals of the surface with radii `height` (N, G, G), scaled by `size` (N, 3)."""
    padded = F.pad(height[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    wide, tall = F.pad(g.s[None], (1, 1), mode="replicate")[0], F.pad(g.t[None], (1, 1), mode="replicate")[0]
    slope_s = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / ((wide[2:] - wide[:-2]) * g.stretch)
    slope_t = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / ((tall[2:] - tall[:-2])[:, None] * g.stretch)
    n = height[:, None] * g.direction - slope_s[:, None] * g.along_s - slope_t[:, None] * g.along_t
    n = n / size[:, :, None, None]
    length = n[:, 0] * n[:, 0] + n[:, 1] * n[:, 1] + n[:, 2] * n[:, 2]
    return n * length.rsqrt()[:, None]


def occlusion(height: Tensor) -> Tensor:
    """(N, G, G) in [0.30, 1.1]: how much of the sky a texel sees; hollows are darker than ridges."""
    small = F.avg_pool2d(height[:, None], 4)
    wide = F.avg_pool2d(small, 5, stride=1, padding=2, count_include_pad=False)
    around = F.interpolate(wide, scale_factor=4, mode="bilinear", align_corners=False)[:, 0]
    return (1 + 12.0 * (height - around)).clamp(0.30, 1.1)
