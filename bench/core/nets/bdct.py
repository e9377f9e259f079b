"""The front end that frequency defences share: 8x up-sampling, then 8x8 block DCT of YCbCr, 192 channels ("BDCT").

As in the released code of DuetFace, PartialFace, DCTDP and MinusFace (Tencent TFace): bilinear up-sampling by eight, so
that each block is one original pixel; full-range JPEG YCbCr less 128; orthonormal 8x8 DCT-II; coefficient (u, v) of
plane p becomes channel 64 p + 8 u + v of the original size. Both directions are linear and separable, so they are
computed as two matrix products per plane, exactly and without the up-sampled picture.

The official form is ``align_corners=True``; there the filters drift across the picture. With ``align_corners=False`` a
channel is one fixed 3x3 filter (``fast_bdct``), and the 15 channels of each plane with u = 4 or v = 4 are zero.
Values are on the scale of 8-bit pixels: a grey picture of value g has DC 8 (255 g - 128) and no other coefficient.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_images
from ..errors import InputError
from ..precision import exactly

BLOCK = 8
PER_PLANE = BLOCK * BLOCK
CHANNELS = 3 * PER_PLANE

# Full-range JPEG (JFIF): rows Y, Cb, Cr.
_YCBCR = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


def dct_matrix(size: int = BLOCK) -> Tensor:
    """(size, size) float64 orthonormal DCT-II, one frequency per row."""
    k = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(torch.pi * (2 * k + 1) * k[:, None] / (2 * size)) * (2 / size) ** 0.5
    rows[0] /= 2**0.5
    return rows


def to_ycbcr(images: Tensor) -> Tensor:
    """(N, 3, H, W) RGB [0, 1] -> (N, 3, H, W) YCbCr, all three planes in [-128, 127]."""
    planes = torch.einsum("pc,nchw->nphw", _YCBCR.to(images), 255 * images)
    offset = torch.tensor([128.0, 0.0, 0.0]).to(images)  # Cb and Cr get 128 in JPEG and lose it again here
    return planes - offset[:, None, None]


def from_ycbcr(planes: Tensor) -> Tensor:
    """The inverse of ``to_ycbcr``, not clamped."""
    offset = torch.tensor([128.0, 0.0, 0.0]).to(planes)
    back = torch.linalg.inv(_YCBCR.double()).to(planes)
    return torch.einsum("cp,nphw->nchw", back, planes + offset[:, None, None]) / 255


def bdct(images: Tensor, align_corners: bool = True) -> Tensor:
    """(N, 3, H, W) RGB [0, 1] -> (N, 192, H, W) coefficients.

    Args:
        images: the pictures.
        align_corners: how the up-sampling places its samples; True is the papers' choice.

    Raises:
        InputError: not images in [0, 1]; [-1, 1] would silently halve the contrast.
    """
    check_images(images, "images of bdct")
    h, w = images.shape[-2:]
    rows, columns = (analysis(side, align_corners).to(images) for side in (h, w))
    with exactly(images.device):  # coefficients span 10^4
        return _by_channel(rows @ to_ycbcr(images) @ columns.T)


def inverse_bdct(coefficients: Tensor, align_corners: bool = True) -> Tensor:
    """(N, 192, H, W) -> (N, 3, H, W) RGB, not clamped: inverse DCT, then bilinear down-sampling by eight.

    ``inverse_bdct(bdct(x))`` is ``x`` to about 50 dB; ``bdct(inverse_bdct(c))`` is nothing like ``c``, because most
    directions of the 192 channels are not seen by the down-sampling.

    Raises:
        InputError: not 192 channels.
    """
    if coefficients.ndim != 4 or coefficients.shape[1] != CHANNELS:
        raise InputError(f"inverse_bdct needs (N, {CHANNELS}, H, W), got {tuple(coefficients.shape)}.")
    rows, columns = (_synthesis(side, align_corners).to(coefficients) for side in coefficients.shape[-2:])
    with exactly(coefficients.device):
        return from_ycbcr(rows @ by_plane(coefficients) @ columns.T)


def least_coefficients(images: Tensor, align_corners: bool = True) -> Tensor:
    """(N, 3, H, W) RGB of any range -> (N, 192, H, W): of all coefficients that decode to the picture, the smallest.

    ``c - least_coefficients(inverse_bdct(c))`` is the part of ``c`` that the decoder does not see.
    """
    h, w = images.shape[-2:]
    rows, columns = (_least(side, align_corners).to(images) for side in (h, w))
    with exactly(images.device):
        return _by_channel(rows @ to_ycbcr(images) @ columns.T)


def bdct_and_blind(images: Tensor, align_corners: bool = True) -> tuple[Tensor, Tensor]:
    """``bdct(images)``, and what of it is left when block means and all that the decoder needs beside them are gone.

    With means m, c = bdct(images): the second is (c - m) - least_coefficients(inverse_bdct(c - m)), offsets aside, but
    computed on three planes instead of 192 channels. ``inverse_bdct`` sees nothing of it.

    Raises:
        InputError: not images in [0, 1].
    """
    check_images(images, "images of bdct_and_blind")
    h, w = images.shape[-2:]
    with exactly(images.device):
        planes = to_ycbcr(images)
        rows, columns = (analysis(side, align_corners).to(images) for side in (h, w))
        down, across = (_round_trip(side, align_corners).to(images) for side in (h, w))
        whole, means = (a @ planes @ b.T for a, b in zip(down, across, strict=True))
        least_h, least_w = (_least(side, align_corners).to(images) for side in (h, w))
        c = rows @ planes @ columns.T
        blind = c - least_h @ (whole - means) @ least_w.T
        blind[..., ::BLOCK, ::BLOCK] -= c[..., ::BLOCK, ::BLOCK]
        return _by_channel(c), _by_channel(blind)


def fast_bdct(images: Tensor) -> Tensor:
    """``bdct(images, align_corners=False)`` as one 3x3 convolution with replicated borders.

    Raises:
        InputError: not images in [0, 1].
    """
    check_images(images, "images of fast_bdct")
    n, _, h, w = images.shape
    planes = to_ycbcr(images).reshape(3 * n, 1, h, w)
    filters = _filters().to(images)
    with exactly(images.device):
        return F.conv2d(F.pad(planes, (1, 1, 1, 1), mode="replicate"), filters).reshape(n, CHANNELS, h, w)


@lru_cache(maxsize=16)
def analysis(side: int, align_corners: bool = True) -> Tensor:
    """(8 side, side) float64: one axis up-sampled by eight, each run of eight samples transformed."""
    up = _interpolation(side, BLOCK * side, align_corners)
    return (dct_matrix() @ up.reshape(side, BLOCK, side)).reshape(BLOCK * side, side)


@lru_cache(maxsize=16)
def _synthesis(side: int, align_corners: bool) -> Tensor:
    """(side, 8 side): each run of eight coefficients transformed back, the axis down-sampled by eight."""
    down = _interpolation(BLOCK * side, side, align_corners)
    return (down.reshape(side, side, BLOCK) @ dct_matrix().T).reshape(side, BLOCK * side)


@lru_cache(maxsize=16)
def _least(side: int, align_corners: bool) -> Tensor:
    """(8 side, side): the pseudo-inverse of ``_synthesis``; its rows hardly overlap, so it is well conditioned."""
    return torch.linalg.pinv(_synthesis(side, align_corners))


@lru_cache(maxsize=16)
def _round_trip(side: int, align_corners: bool) -> Tensor:
    """(2, side, side): one axis there and back, of all coefficients and of the block means alone."""
    there, back = analysis(side, align_corners), _synthesis(side, align_corners)
    means = torch.zeros_like(there)
    means[::BLOCK] = there[::BLOCK]
    return torch.stack([back @ there, back @ means])


def _by_channel(planes: Tensor) -> Tensor:
    """(N, 3, 8H, 8W) coefficients block by block -> (N, 192, H, W)."""
    n, _, h, w = planes.shape
    split = planes.reshape(n, 3, h // BLOCK, BLOCK, w // BLOCK, BLOCK).permute(0, 1, 3, 5, 2, 4)
    return split.reshape(n, CHANNELS, h // BLOCK, w // BLOCK)


def by_plane(coefficients: Tensor) -> Tensor:
    """(N, 192, H, W) -> (N, 3, 8H, 8W) block by block, as ``analysis`` makes them of a plane."""
    n, _, h, w = coefficients.shape
    split = coefficients.reshape(n, 3, BLOCK, BLOCK, h, w).permute(0, 1, 4, 2, 5, 3)
    return split.reshape(n, 3, BLOCK * h, BLOCK * w)


def _interpolation(source: int, target: int, align_corners: bool) -> Tensor:
    """(target, source) float64: bilinear interpolation of one axis as a matrix."""
    one_hot = torch.eye(source, dtype=torch.float64)[None]
    return F.interpolate(one_hot, target, mode="linear", align_corners=align_corners)[0].T.contiguous()


@lru_cache(maxsize=1)
def _filters() -> Tensor:
    """(64, 1, 3, 3) float64: the filters of ``align_corners=False``, read off the middle pixel of three."""
    taps = analysis(3, False)[BLOCK : 2 * BLOCK]  # (8, 3)
    return torch.einsum("ui,vj->uvij", taps, taps).reshape(PER_PLANE, 1, 3, 3)
