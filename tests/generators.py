"""A StyleGAN2 and a StyleGAN3 of few pixels with random weights, by the names of NVIDIA's releases, spelt out.

And what a file of weights must not hold.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from scipy.signal import firwin, kaiser_atten, kaiser_beta
from scipy.signal.windows import kaiser
from scipy.special import j1
from torch import Tensor

Z_DIM, W_DIM = 6, 5
CHANNELS = {4: 8, 8: 6, 16: 4}

# The StyleGAN3: cutoff, half width, rate and size of each layer's maps and of the colours, for 32 pixels and 5 layers.
_LAST = (16.0, 2**4.3 - 16, 32)
BANDS = ((2.0, 6.0, 16, 36), (4.0, 4.0, 16, 36), (8.0, 8.0, 32, 52), (*_LAST, 52), (*_LAST, 32), (*_LAST, 32))
WIDTHS = (8, 8, 7, 6, 6, 5, 3)  # waves, layers, colours


def tiny_stylegan2(seed: int = 0) -> dict[str, Tensor]:
    """Its state dict."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=random)

    state = {"mapping.w_avg": 0.3 * draw(W_DIM)}
    for layer, width in enumerate((Z_DIM, W_DIM)):  # kept a hundred times too large: their learning rate is 0.01
        state[f"mapping.fc{layer}.weight"] = 100 * draw(W_DIM, width)
        state[f"mapping.fc{layer}.bias"] = 10 * draw(W_DIM)
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    for side, channels in CHANNELS.items():
        block = f"synthesis.b{side}"
        before = CHANNELS.get(side // 2, channels)
        if side == 4:
            state[f"{block}.const"] = draw(channels, 4, 4)
        state[f"{block}.resample_filter"] = torch.outer(line, line)
        for conv, width in (("conv0", before), ("conv1", channels)):
            if side == 4 and conv == "conv0":
                continue
            state |= {
                f"{block}.{conv}.affine.weight": draw(width, W_DIM),
                f"{block}.{conv}.affine.bias": 1 + 0.1 * draw(width),
                f"{block}.{conv}.weight": draw(channels, width, 3, 3),
                f"{block}.{conv}.bias": 0.1 * draw(channels),
                f"{block}.{conv}.noise_strength": 0.1 * draw(),
                f"{block}.{conv}.noise_const": draw(side, side),
                f"{block}.{conv}.resample_filter": torch.outer(line, line),
            }
        state |= {
            f"{block}.torgb.affine.weight": draw(channels, W_DIM),
            f"{block}.torgb.affine.bias": 1 + 0.1 * draw(channels),
            f"{block}.torgb.weight": draw(3, channels, 1, 1),
            f"{block}.torgb.bias": 0.1 * draw(3),
        }
    return state


def kaiser_filter(taps: int, cutoff: float, half_width: float, rate: int, *, radial: bool = False) -> Tensor:
    """(taps,) by scipy; radial: (taps, taps), the transform of a disc under the same window both ways."""
    if not radial:
        return torch.from_numpy(firwin(taps, cutoff, width=2 * half_width, fs=rate)).float()
    window = kaiser(taps, kaiser_beta(kaiser_atten(taps, 4 * half_width / rate)))
    place = np.linspace(1 - taps, taps - 1, taps) / 2 / rate
    far = np.sqrt(place[:, None] ** 2 + place[None] ** 2)
    disc = cutoff * j1(2 * math.pi * cutoff * far) / far * window[:, None] * window[None]
    return torch.from_numpy(disc / disc.sum()).float()


def tiny_stylegan3(config: Literal["T", "R"] = "T", seed: int = 0) -> dict[str, Tensor]:
    """Its state dict."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=random)

    state = {name: value for name, value in tiny_stylegan2(seed).items() if name.startswith("mapping.")}
    waves, place = WIDTHS[0], "synthesis.input"
    angle, length = 2 * math.pi * torch.rand(waves, generator=random), 2 * torch.rand(waves, generator=random)
    state |= {
        f"{place}.weight": draw(waves, waves),
        f"{place}.affine.weight": 0.1 * draw(4, W_DIM),
        f"{place}.affine.bias": torch.tensor([1.0, 0.2, 0.05, -0.1]),
        f"{place}.transform": torch.eye(3),
        f"{place}.freqs": torch.stack([angle.cos(), angle.sin()], 1) * length[:, None],
        f"{place}.phases": torch.rand(waves, generator=random) - 0.5,
    }
    for i, (cutoff, half_width, rate, size) in enumerate(BANDS):
        before = BANDS[max(i - 1, 0)]
        last = i == len(BANDS) - 1
        side = 3 if config == "T" and not last else 1
        name = f"synthesis.L{i}_{size}_{WIDTHS[i + 1]}"
        state |= {
            f"{name}.weight": draw(WIDTHS[i + 1], WIDTHS[i], side, side),
            f"{name}.bias": 0.1 * draw(WIDTHS[i + 1]),
            f"{name}.magnitude_ema": 0.5 + torch.rand((), generator=random),
            f"{name}.affine.weight": draw(WIDTHS[i], W_DIM),
            f"{name}.affine.bias": 1 + 0.1 * draw(WIDTHS[i]),
        }
        if not last:
            high = 2 * max(before[2], rate)
            up, down = 6 * high // before[2], 6 * high // rate
            state[f"{name}.up_filter"] = kaiser_filter(up, before[0], before[1], high)
            radial = config == "R" and i < 3  # the last two layers are critically sampled
            state[f"{name}.down_filter"] = kaiser_filter(down, cutoff, half_width, high, radial=radial)
    return state


class Harm:
    """What runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.mark,)
