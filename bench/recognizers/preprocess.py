"""What turns the project's images (RGB, [0, 1]) into what a network was trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from ..core.errors import InputError

MeanStd: TypeAlias = tuple[tuple[float, float, float], tuple[float, float, float]]
Scale: TypeAlias = Literal["unit", "symmetric", "byte"] | MeanStd
Color: TypeAlias = Literal["rgb", "bgr"]


def prepare(x: Tensor, scale: Scale, color: Color) -> Tensor:
    """(N, 3, H, W) RGB [0, 1] -> what the network expects. Differentiable.

    Args:
        x: images.
        scale: ``unit`` keeps [0, 1]; ``symmetric`` is (255 x - 127.5) / 127.5, in [-1, 1] (insightface);
            ``byte`` is 255 x; a pair (mean, std) is (x - mean) / std with three numbers each, in RGB order, for
            images in [0, 1] (torchvision's convention).
        color: the network's channel order.
    """
    if scale == "symmetric":
        x = (255 * x - 127.5) / 127.5
    elif scale == "byte":
        x = 255 * x
    elif not isinstance(scale, str):
        mean, std = (torch.tensor(part, dtype=x.dtype, device=x.device).view(1, 3, 1, 1) for part in scale)
        x = (x - mean) / std
    return x.flip(1) if color == "bgr" else x


def check_scale(scale: Scale, owner: str) -> None:
    """Refuse a standard deviation that is zero or negative, or a mean that is given in 0..255.

    Raises:
        InputError: names the value.
    """
    if isinstance(scale, str):
        return
    mean, std = scale
    if min(std) <= 0 or max(mean) > 1:
        raise InputError(
            f"{owner}: scale = {scale!r} must be (mean, std) for images in [0, 1], with std above 0; "
            "divide values meant for 0..255 by 255."
        )


def with_flip(features: Callable[[Tensor], Tensor], x: Tensor, *, flip: bool) -> Tensor:
    """``features(x)``, plus those of the mirrored images where ``flip`` is set (insightface's test protocol)."""
    z = features(x)
    return z + features(x.flip(3)) if flip else z
