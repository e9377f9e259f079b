"""Training-free baselines on the wire: one block greyed out, eyes or mouth greyed out, and a blur.

No paper of their own: what privacy masks did before networks, and floors for every wire defence beside
`defenses/masking.py`. The server runs its plain recogniser on what arrives, so verification suffers with the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.crop import EYES, MOUTH, covered
from ..bench.core.errors import InputError
from ..bench.core.obfuscators import blurred
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Secret, Surface
from .base import Defense

GREY = 0.5

REGIONS = {"eyes": EYES, "mouth": MOUTH, "eyes+mouth": EYES + MOUTH}


@dataclass(frozen=True)
class BlockSettings:
    """How large the block is."""

    ratio: float = 0.4  # side of the block / side of the picture (0, 1)


@register_defense("block-mask")
class BlockMask(Defense):
    """One block of each picture, at a place drawn afresh per call, becomes grey (0.5)."""

    protects = Surface.WIRE
    secrets = frozenset({Secret.SAMPLE})
    claims = "What lies under the block cannot be viewed or recovered."
    Settings = BlockSettings
    settings: BlockSettings

    def _build(self, context: FitContext) -> None:
        if not 0 < self.settings.ratio < 1:
            raise InputError(f"block-mask: ratio must be in (0, 1), got {self.settings.ratio}.")

    def transmit(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) in [0, 1], exactly round(ratio H) x round(ratio W) pixels at 0.5."""
        u = secret.sample.child("block-mask").uniform(secret.ids, (2,)).to(images.device)
        rows, columns = (self._run(size, u[:, axis]) for axis, size in enumerate(images.shape[-2:]))
        return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], GREY)

    def _run(self, size: int, u: Tensor) -> Tensor:
        """(N, size) bool: a run of pixels of one axis, all places within the picture equally likely."""
        length = max(1, round(self.settings.ratio * size))
        first = (u * (size - length + 1)).long()[:, None]
        steps = torch.arange(size, device=u.device)
        return (steps >= first) & (steps < first + length)


@dataclass(frozen=True)
class LandmarkSettings:
    """Which parts are hidden."""

    parts: Literal["eyes", "mouth", "eyes+mouth"] = "eyes+mouth"
    grow: float = 1.0  # size of the boxes / their standard size


@register_defense("landmark-mask")
class LandmarkMask(Defense):
    """Eyes, mouth or both become grey (0.5), at the fixed places where an aligned crop has them.

    Nothing is detected: what the boxes cover depends on the alignment. Of synthetic faces at 64 pixels they hide more
    than 98 % of the pixels of eyes and mouth (a test); photographs vary more. The brows stay visible.
    """

    protects = Surface.WIRE
    claims = "The features of the face that lie under the boxes cannot be viewed or recovered."
    Settings = LandmarkSettings
    settings: LandmarkSettings

    def _build(self, context: FitContext) -> None:
        if self.settings.grow <= 0:
            raise InputError(f"landmark-mask: grow must be positive, got {self.settings.grow}.")

    def transmit(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) in [0, 1], the boxes at 0.5."""
        h, w = images.shape[-2:]
        return images.masked_fill(self.covered(h, w).to(images.device), GREY)

    def covered(self, h: int, w: int) -> Tensor:
        """(H, W) bool: the pixels whose centre lies in a box."""
        return covered(REGIONS[self.settings.parts], h, w, self.settings.grow)


@dataclass(frozen=True)
class LowPassSettings:
    """How strong the blur is."""

    sigma: float = 3.0  # standard deviation of the Gaussian, pixels of the picture sent


@register_defense("low-pass")
class LowPass(Defense):
    """A Gaussian blur, cut off at four standard deviations, borders repeated."""

    protects = Surface.WIRE
    claims = "The picture on the wire shows no detail of the face, and none can be recovered."
    Settings = LowPassSettings
    settings: LowPassSettings

    def _build(self, context: FitContext) -> None:
        if self.settings.sigma <= 0:
            raise InputError(f"{self.name}: sigma must be positive, got {self.settings.sigma}.")

    def transmit(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) in [0, 1]."""
        return blurred(images, self.settings.sigma)
