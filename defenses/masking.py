"""Training-free baselines on the wire: random patches greyed out, and pixelation.

No paper of their own: the two oldest ideas, and the floor for every wire defence. The server runs its plain
recogniser on what arrives, so verification suffers with the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.obfuscators import pixelated
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Secret, Surface
from .base import Defense


@dataclass(frozen=True)
class MaskSettings:
    """Which part is hidden."""

    ratio: float = 0.5  # share of patches hidden [0, 1]
    grid: int = 8  # patches per side


@register_defense("random-mask")
class RandomMask(Defense):
    """Exactly ``ratio`` of the patches of each picture, drawn afresh per call, become grey (0.5)."""

    protects = Surface.WIRE
    secrets = frozenset({Secret.SAMPLE})
    claims = "The picture on the wire cannot be viewed or recovered."
    Settings = MaskSettings
    settings: MaskSettings

    def _build(self, context: FitContext) -> None:
        if not 0 <= self.settings.ratio < 1 or self.settings.grid < 1:
            raise InputError(f"random-mask: ratio must be in [0, 1) and grid >= 1, got {self.settings}.")

    def transmit(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) in [0, 1], hidden patches at 0.5."""
        n, _, h, w = images.shape
        cells = self.settings.grid**2
        order = secret.sample.child("mask").permutation(secret.ids, cells).to(images.device)
        hidden = (order < round(self.settings.ratio * cells)).float()
        mask = F.interpolate(hidden.reshape(n, 1, self.settings.grid, self.settings.grid), (h, w), mode="nearest")
        return torch.where(mask > 0.5, torch.full_like(images, 0.5), images)


@dataclass(frozen=True)
class PixelateSettings:
    """How coarse the picture becomes."""

    blocks: int = 8  # blocks per side


@register_defense("pixelate")
class Pixelate(Defense):
    """Each block becomes its mean colour."""

    protects = Surface.WIRE
    claims = "The picture on the wire shows no face."
    Settings = PixelateSettings
    settings: PixelateSettings

    def _build(self, context: FitContext) -> None:
        if self.settings.blocks < 1:
            raise InputError(f"{self.name}: blocks must be at least 1, got {self.settings.blocks}.")

    def transmit(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) in [0, 1], constant on each block."""
        return pixelated(images, self.settings.blocks)
