"""Filters of alias-free generators: which frequencies each layer holds, and a leaky ReLU that adds none beyond them.

Karras et al., "Alias-Free Generative Adversarial Networks", NeurIPS 2021, section 3 and appendix C. Maps are samples of
continuous signals, at a rate that holds their band and with a margin around the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .stylegan2 import activated

CRITICAL = 2  # layers at the end whose band reaches to half their rate: sharp pictures for a little aliasing
_FIRST_CUTOFF, _FIRST_STOPBAND = 2.0, 2**2.1  # cycles per picture
_LAST_STOPBAND = 2**0.3  # of the last cutoff, half the side
_MARGIN = 10  # samples around the picture
TAPS = 6  # of a filter, per step of the coarser of its two rates
BOUND = 256.0  # activations are cut to it


@dataclass(frozen=True)
class Band:
    """What the maps behind a layer hold.

    Attributes:
        cutoff: frequency up to which they hold signal, cycles per picture.
        half_width: from there to the frequency above which they hold none.
        rate: samples per picture.
        size: samples along a side, the margin among them.
    """

    cutoff: float
    half_width: float
    rate: int
    size: int


def bands(side: int, layers: int) -> list[Band]:
    """The schedule of configurations T and R: of each layer, and of the colours behind the last.

    Cutoffs and stopbands grow geometrically to those of the picture, which the critical layers share.

    Args:
        side: of the picture, pixels.
        layers: without the colours, 3 or more.
    """
    plan = []
    for i in range(layers + 1):
        share = min(i / (layers - CRITICAL), 1)
        cutoff = _FIRST_CUTOFF * (side / 2 / _FIRST_CUTOFF) ** share
        stopband = _FIRST_STOPBAND * (side / 2 * _LAST_STOPBAND / _FIRST_STOPBAND) ** share
        rate = 2 ** math.ceil(math.log2(min(2 * stopband, side)))
        size = side if i >= layers - 1 else rate + 2 * _MARGIN
        plan.append(Band(cutoff, max(stopband, rate / 2) - cutoff, rate, size))
    return plan


def kaiser_low_pass(taps: int, band: Band, rate: int, *, radial: bool = False) -> Tensor:
    """Low-pass filter of sum 1 under a Kaiser window (appendix C of the paper).

    Args:
        taps: length, even.
        band: its cutoff and half width.
        rate: at which the filter is run, samples per picture.
        radial: whether it is to be the same in all directions.

    Returns:
        (taps,), for one side after the other; radial: (taps, taps).
    """
    attenuation = 2.285 * (taps - 1) * math.pi * 4 * band.half_width / rate + 7.95  # decibels
    beta = 0.0
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation > 21:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    window = torch.kaiser_window(taps, periodic=False, beta=beta, dtype=torch.float64)
    x = (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / rate
    if radial:
        r = torch.hypot(x[:, None], x)
        kernel = torch.special.bessel_j1(2 * math.pi * band.cutoff * r) / r * torch.outer(window, window)
    else:
        kernel = torch.sinc(2 * band.cutoff * x) * window
    return (kernel / kernel.sum()).float()


def raised(x: Tensor, kernel: Tensor, factor: int) -> Tensor:
    """(N, C, h, w) -> (N, C, factor (h - 1) + taps, ...): zeros in between, then the kernel (taps,) both ways."""
    channels = x.shape[1]
    line = (factor * kernel).expand(channels, 1, 1, -1)
    x = F.conv_transpose2d(x, line, stride=(1, factor), groups=channels)
    return F.conv_transpose2d(x, line.transpose(2, 3), stride=(factor, 1), groups=channels)


def lowered(x: Tensor, kernel: Tensor, factor: int) -> Tensor:
    """(N, C, h, w) -> (N, C, (h - taps) / factor + 1, ...): the kernel, (taps,) or (taps, taps), at each ``factor``."""
    channels = x.shape[1]
    if kernel.ndim == 2:
        return F.conv2d(x, kernel.expand(channels, 1, -1, -1), stride=factor, groups=channels)
    line = kernel.expand(channels, 1, 1, -1)
    x = F.conv2d(x, line, stride=(1, factor), groups=channels)
    return F.conv2d(x, line.transpose(2, 3), stride=(factor, 1), groups=channels)


def filtered_activation(x: Tensor, up: Tensor, down: Tensor, factors: tuple[int, int], size: int) -> Tensor:
    """Leaky ReLU at a higher rate, so that the edges it makes fall under the low-pass filter and not on the maps.

    Args:
        x: (N, C, h, w), a square whose middle is the picture's.
        up: filter (taps,) behind the zeros that raise the rate.
        down: filter (taps,) or (taps, taps) before the rate is lowered.
        factors: by which the rate is raised, and lowered.
        size: side of what comes out.

    Returns:
        (N, C, size, size), with the same middle.
    """
    raising, lowering = factors
    y = raised(x, up, raising)
    beyond = (size - 1) * lowering + len(down) - y.shape[-1]  # even; usually there is too much, and it is cut off
    y = activated(F.pad(y, (beyond // 2,) * 4)).clamp(-BOUND, BOUND)
    return lowered(y, down, lowering)
