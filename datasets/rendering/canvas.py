"""The painted head: maps over the texels, and the one operation that changes them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .grids import Grid, Window

PART_NAMES: tuple[str, ...] = (
    "background", "skin", "left_eye", "right_eye", "left_brow", "right_brow", "nose", "lips", "mouth_inside", "hair",
    "ears", "neck", "glasses", "clothes", "hat",
)  # fmt: skip
PART = {name: i for i, name in enumerate(PART_NAMES)}


@dataclass(frozen=True)
class Canvas:
    """What covers the head, painted in place.

    Attributes:
        grid: the texel tables.
        albedo: (N, 3, G, G) linear RGB.
        gloss: (N, G, G) specular strength.
        labels: (N, G, G) float32, indices into `PART_NAMES`.
    """

    grid: Grid
    albedo: Tensor
    gloss: Tensor
    labels: Tensor

    def paint(
        self, at: Window, mask: Tensor, colour: Tensor, label: str | None = None, gloss: float | None = None
    ) -> None:
        """Cover the window with `colour` (N, 3, 1, 1) or (N, 3, h, w) where `mask` (N, h, w) in [0, 1] says so."""
        patch = self.albedo[:, :, at.rows, at.columns]
        patch.lerp_(colour.expand_as(patch), mask[:, None].expand_as(patch))
        if gloss is not None:
            shine = self.gloss[:, at.rows, at.columns]
            shine.lerp_(torch.full_like(shine, gloss), mask.expand_as(shine))
        if label is not None:
            self.labels[:, at.rows, at.columns].masked_fill_(mask.expand_as(patch[:, 0]) > 0.5, float(PART[label]))

    def shade(self, at: Window, factor: Tensor) -> None:
        """Multiply the window's albedo by `factor` (N, h, w) or (N, 3, h, w)."""
        self.albedo[:, :, at.rows, at.columns].mul_(factor if factor.ndim == 4 else factor[:, None])


def colour(red: Tensor | float, green: Tensor | float, blue: Tensor | float, like: Tensor) -> Tensor:
    """(N, 3, 1, 1) from three (N, 1, 1) tensors or floats; `like` (N, 1, 1) supplies N and the device."""
    return torch.stack([torch.zeros_like(like) + x for x in (red, green, blue)], dim=1)
