"""Pixel quality of a reconstruction: PSNR and SSIM, per image.

The board's number is the *mean of the per-image values*, never the value of the pooled error. Both measure
pixels, not identity: a grey image can beat a recognisable face, so they never stand alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..core.checks import check_images
from ..core.errors import InputError
from ..core.nets.ssim import WINDOW, ssim_map

PSNR_CAP = 100.0  # dB; equal images would be infinite
_PIXELS = 1 << 14  # at once, in whole images: their float64 moments (2 MB) stay in the cache, twice as fast


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image, capped at 100 dB.

        PSNR_i = min(100, 10 log10(1 / MSE_i)),  MSE_i = mean over the 3HW values of (x_i - y_i)^2

    Args:
        x: images (N, 3, H, W), float32 RGB, range [0, 1].
        y: images of the same shape.

    Returns:
        PSNR (N,), float64, dB, range [0, 100]; higher = more alike. Symmetric in x and y.

    Raises:
        InputError: either is not a batch of images, or the shapes differ.
    """
    _check_pair(x, y)
    return _batched(_psnr, x, y)


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity of each image: mean of the SSIM map over places and the three channels.

    11 x 11 Gaussian window, sigma 1.5, K = (0.01, 0.03), range 1, population moments, only places where the
    whole window fits (Wang et al., IEEE TIP 2004, eq. 13 and 17). Equals skimage's `structural_similarity`
    with gaussian_weights=True, use_sample_covariance=False, data_range=1.

    Args:
        x: images (N, 3, H, W), float32 RGB, range [0, 1], H and W >= 11 px.
        y: images of the same shape.

    Returns:
        SSIM (N,), float64, no unit, range [-1, 1]; 1 for equal images. Symmetric in x and y.

    Raises:
        InputError: either is not a batch of images, the shapes differ, or a side is below 11 px.
    """
    _check_pair(x, y)
    if min(x.shape[-2:]) < WINDOW:
        raise InputError(f"ssim got {x.shape[-2]} x {x.shape[-1]} px images; its window needs {WINDOW} px a side")
    return _batched(_ssim, x, y)


def _psnr(x: Tensor, y: Tensor) -> Tensor:
    mse = x.sub_(y).square_().mean(dim=(1, 2, 3))  # (n,); in place, since both are copies
    return -10 * mse.clamp_min(10 ** (-PSNR_CAP / 10)).log10()


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    return ssim_map(x, y).mean(dim=(1, 2, 3))


def _check_pair(x: Tensor, y: Tensor) -> None:
    check_images(x, "x")
    check_images(y, "y")
    if x.shape != y.shape:
        raise InputError(f"x is {tuple(x.shape)} and y {tuple(y.shape)}; align and resize them to one shape first")


@torch.no_grad()
def _batched(measure: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    step = max(1, _PIXELS // max(1, x.shape[-2] * x.shape[-1]))
    pairs = zip(x.split(step), y.split(step))
    # float64: the SSIM variances are differences of nearly equal numbers.
    return torch.cat([measure(a.clamp(0, 1).double(), b.clamp(0, 1).double()) for a, b in pairs])
