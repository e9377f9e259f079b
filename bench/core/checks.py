"""Checks every room shares: what an image tensor is, said once, refused in one sentence."""

from __future__ import annotations

from torch import Tensor, float32

# Interpolation and clipping in lower precision overshoot by a hair; [-1, 1] or 0..255 images miss by far more.
RANGE_SLACK = 1e-4


class ImageError(ValueError):
    """A tensor is not a batch of project images; the message says what was seen and what to do."""


def check_images(x: Tensor, name: str) -> Tensor:
    """Return `x` unchanged if it is a batch of project images, else refuse it.

    Args:
        x: images (N, 3, H, W), float32, RGB, range [0, 1], N >= 1, all finite.
        name: what the caller calls this tensor; starts the error message.

    Returns:
        The very same tensor (no copy, no clipping).

    Raises:
        ImageError: not a tensor, not 4-d, not 3 channels, empty, not float32, NaN or infinite, or outside
            [0, 1] by more than 1e-4; one sentence with the value seen and the remedy.
    """
    if not isinstance(x, Tensor):
        raise ImageError(f"{name} is a {type(x).__name__}, not a tensor; pass float32 images (N, 3, H, W)")
    shape = tuple(x.shape)
    if x.ndim != 4 or shape[1] != 3:
        raise ImageError(f"{name} has shape {shape}; images are (N, 3, H, W), RGB: permute or add a batch axis")
    if x.numel() == 0:
        raise ImageError(f"{name} is empty, shape {shape}; pass at least one image")
    if x.dtype != float32:
        raise ImageError(f"{name} is {x.dtype}; images are float32 in [0, 1]: convert (and divide 0..255 by 255)")
    # NaN survives min and max, so two reductions see everything.
    low, high = float(x.detach().min()), float(x.detach().max())
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        raise ImageError(f"{name} has NaN or infinite values; find the step that made them, do not clip them")
    if low < -RANGE_SLACK or high > 1 + RANGE_SLACK:
        hint = "divide by 255" if high > 2 else "map [-1, 1] with (x + 1) / 2" if low < -0.5 else "clamp it"
        raise ImageError(f"{name} spans [{low:.4g}, {high:.4g}]; images are in [0, 1]: {hint}")
    return x
