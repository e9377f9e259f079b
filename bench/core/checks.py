"""Shape, range and type checks shared by the contracts and the metrics."""

from __future__ import annotations

import torch
from torch import Tensor

from .errors import InputError

# Decoders end in a sigmoid and resizing is bilinear, so an honest image cannot leave [0, 1] by more than rounding.
RANGE_SLACK = 1e-4


def check_images(x: Tensor, name: str = "images", channels: int | None = 3) -> Tensor:
    """Return ``x`` unchanged if it is a batch of images as the project defines them.

    Args:
        x: (N, C, H, W) float32 in [0, 1], RGB.
        name: what to call ``x`` in the message.
        channels: the required C, or None for any.

    Raises:
        InputError: wrong type, rank, channels, non-finite values or range.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise InputError(f"{name} must be a float tensor in [0, 1], got {kind}; divide 8-bit pixels by 255.")
    if x.ndim != 4:
        raise InputError(f"{name} must have shape (N, C, H, W), got {tuple(x.shape)}.")
    if channels is not None and x.shape[1] != channels:
        raise InputError(f"{name} must have {channels} channels in dimension 1 (NCHW), got {tuple(x.shape)}.")
    if x.numel() == 0:
        return x
    low, high = (float(v) for v in torch.aminmax(x.detach()))
    if not (low >= -RANGE_SLACK and high <= 1 + RANGE_SLACK):  # also catches NaN
        raise InputError(
            f"{name} must lie in [0, 1], got [{low:.4g}, {high:.4g}]; "
            "convert from [-1, 1] with (x + 1) / 2 or from 8 bits with x / 255."
        )
    return x


def check_vectors(z: Tensor, name: str = "embeddings", unit_norm: bool = False) -> Tensor:
    """Return ``z`` unchanged if it is (N, D) float and finite (and of unit norm where asked).

    Raises:
        InputError: wrong rank, type, non-finite values or norm.
    """
    if not isinstance(z, Tensor) or not z.is_floating_point() or z.ndim != 2:
        seen = (tuple(z.shape), z.dtype) if isinstance(z, Tensor) else type(z).__name__
        raise InputError(f"{name} must be a float tensor of shape (N, D), got {seen}.")
    if not bool(torch.isfinite(z).all()):
        raise InputError(f"{name} hold NaN or infinity; a network diverged or divided by zero.")
    if unit_norm and z.numel():
        worst = float((z.norm(dim=1) - 1).abs().max())
        if worst > 1e-3:
            raise InputError(f"{name} must have unit norm, the worst is off by {worst:.3g}; normalise them.")
    return z
