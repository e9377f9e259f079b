"""From light to a picture file: white balance, exposure, blur, tone curve, noise."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ...bench.core.seeding import Rng
from .grids import FEW, bell, power
from .layout import Layout

WIDEST = 1.3  # standard deviation of the strongest blur, pixels of a 64-pixel crop


def expose(f: Layout, rgb: Tensor, skin: Tensor) -> Tensor:
    """(N, 3, h, w) linear: the camera meters the face, so dark skin is lifted and pale skin lowered, in part."""
    how = f.how
    brightness = (0.35 * skin[:, 0] + 0.5 * skin[:, 1] + 0.15 * skin[:, 2]).reshape(-1, 1, 1)
    gain = 1.02 * power(brightness / 0.30, -0.38) * torch.exp(0.27 * how["exposure"])
    return rgb * gain[:, None]


def blur(f: Layout, rgb: Tensor) -> Tensor:
    """(N, 3, h, w) Gaussian blur of each picture's own width, as sums of shifted copies."""
    size = rgb.shape[-1]
    sigma = (0.34 + 0.22 * f.how["blur"]).clamp(0.25, WIDEST) * size / 64
    reach = math.ceil(2 * WIDEST * size / 64)
    taps = [bell(k / sigma) for k in range(reach + 1)]
    total = taps[0] + 2 * sum(taps[1:], torch.zeros_like(sigma))
    weights = torch.stack([(tap / total)[:, None] for tap in taps], dim=1)  # (N, reach + 1, 1, 1, 1)
    return torch.cat([_blurred(*some, reach) for some in zip(rgb.split(FEW), weights.split(FEW))])


def _blurred(rgb: Tensor, weights: Tensor, reach: int) -> Tensor:
    size = rgb.shape[-1]
    for axis in (2, 3):
        pad = (reach, reach, 0, 0) if axis == 3 else (0, 0, reach, reach)
        wide = F.pad(rgb, pad, mode="replicate")
        out = wide.narrow(axis, reach, size) * weights[:, 0]
        for k in range(1, reach + 1):
            both = wide.narrow(axis, reach - k, size) + wide.narrow(axis, reach + k, size)
            out += both.mul_(weights[:, k])
        rgb = out
    return rgb


def develop(f: Layout, rgb: Tensor, noise_seed: Tensor | None) -> Tensor:
    """(N, 3, h, w) sRGB in [0, 1] from exposed linear light."""
    how = f.how
    # A film-like shoulder: highlights roll off instead of clipping.
    y = power((rgb * (1 + 0.16 * rgb) / (1 + rgb * 0.72)).clamp_(min=1e-5), 1 / 2.2)
    contrast = torch.exp(0.13 * how["contrast"] + 0.28)[:, None]
    y = (y - 0.45) * contrast + 0.45
    grey = (0.3 * y[:, 0] + 0.59 * y[:, 1] + 0.11 * y[:, 2])[:, None]
    y = grey + (y - grey) * (1.0 + 0.20 * how["saturation"]).clamp(0.25, 1.7)[:, None]
    if noise_seed is not None:
        strength = (0.007 + 0.007 * how["noise"]).clamp(0.0, 0.03)[:, None]
        # The sum of four uniform bytes of one hash is normal enough for a sensor, and four times cheaper.
        bits = Rng(0, "rendering", "sensor").bits(noise_seed, tuple(y.shape[1:]))
        sums = (bits >> 8 & 0xFF) + (bits >> 20 & 0xFF) + (bits >> 32 & 0xFF) + (bits >> 44 & 0xFF)
        y = y + strength * ((sums.float() - 510.0) * (1 / 147.8))
    return y.clamp_(0, 1)
