"""Structural similarity as a differentiable map: one core for the metric and for training losses.

Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity",
IEEE TIP 2004, eq. 13, with the constants of section III-C (11 x 11 Gaussian window, sigma 1.5).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from ..precision import exactly

WINDOW = 11  # pixels; = 2 * round(3.5 * sigma) + 1, so skimage's gaussian_weights=True has the same support
SIGMA = 1.5  # pixels
K1, K2 = 0.01, 0.03  # stabilisers, as shares of the range (which is 1)


def gaussian_window(size: int = WINDOW, sigma: float = SIGMA, *, like: Tensor) -> Tensor:
    """One axis of the separable Gaussian window.

    Args:
        size: length in pixels, odd.
        sigma: standard deviation in pixels.
        like: tensor whose dtype and device the window takes.

    Returns:
        Weights (size,), sum 1.
    """
    offset = torch.arange(size, dtype=like.dtype, device=like.device) - size // 2
    weight = torch.exp(-offset.square() / (2 * sigma**2))
    return weight / weight.sum()


def ssim_map(x: Tensor, y: Tensor) -> Tensor:
    """SSIM index at every place where the whole window fits ("valid", no padding), per channel.

    With mu, var, cov the Gaussian-weighted moments (population form, no n/(n-1) correction):

        SSIM = (2 mu_x mu_y + C1) (2 cov_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (var_x + var_y + C2)),
        C1 = 0.01^2, C2 = 0.03^2  (range 1)

    Differentiable in both arguments. Half precision (also by autocast) is raised to float32, because the
    variances are differences of nearly equal numbers; pass float64 for a metric.

    Args:
        x: images (N, C, H, W), range [0, 1], H and W >= 11.
        y: images of the same shape, dtype and device.

    Returns:
        Map (N, C, H - 10, W - 10), range [-1, 1]; 1 where the windows are equal.

    Raises:
        InputError: shapes differ, are not 4-d, or are smaller than the window.
    """
    if x.shape != y.shape or x.ndim != 4:
        raise InputError(f"ssim_map got {tuple(x.shape)} and {tuple(y.shape)}; pass two equal (N, C, H, W) shapes")
    if min(x.shape[-2:]) < WINDOW:
        raise InputError(f"ssim_map got {x.shape[-2]} x {x.shape[-1]} pixels; its window needs {WINDOW}: upsample")
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    with exactly(x.device):
        x, y = x.to(dtype), y.to(dtype)
        column, row = (_band(side, x) for side in x.shape[-2:])  # (H - 10, H), (W - 10, W)
        moments = torch.cat([x, y, x * x, y * y, x * y])  # (5N, C, H, W): one pass instead of five
        # Banded matrix products: on a CPU several times faster than depthwise convolutions of this length.
        moments = column @ (moments @ row.T)
        mu_x, mu_y, xx, yy, xy = moments.chunk(5)
        var_x, var_y, cov = xx - mu_x * mu_x, yy - mu_y * mu_y, xy - mu_x * mu_y
        luminance = (2 * mu_x * mu_y + K1**2) / (mu_x * mu_x + mu_y * mu_y + K1**2)
        structure = (2 * cov + K2**2) / (var_x + var_y + K2**2)
        return luminance * structure


def _band(side: int, like: Tensor) -> Tensor:
    """(side - 10, side): the valid one-axis blur as a matrix."""
    window = gaussian_window(like=like)
    band = torch.zeros(side - WINDOW + 1, side, dtype=like.dtype, device=like.device)
    for offset in range(WINDOW):
        band.diagonal(offset).fill_(window[offset])
    return band
