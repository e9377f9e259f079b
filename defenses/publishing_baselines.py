"""Baselines for published pictures: noise, blur, pixelation, a black bar over the eyes, and k-same.

What people did before there were systems, and the floor of every board of published pictures. k-same: Newton, Sweeney
and Malin, "Preserving Privacy by De-Identifying Face Images", IEEE TKDE 2005: the picture is replaced by the mean of k
faces. Differs from the paper: these are the k train faces nearest to it in pixels, not the nearest ones of the
published set itself, which every later picture would change. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.crop import EYES, covered
from ..bench.core.errors import InputError
from ..bench.core.faces import FaceSet, resize
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Goal, Secret, Surface
from .base import Defense
from .masking import Pixelate
from .obscuring import LowPass


class _Obfuscation(Defense):
    """Shared by all."""

    protects = Surface.IMAGE
    goal = Goal.ANONYMIZE


@dataclass(frozen=True)
class PixelNoiseSettings:
    """How visible the noise is."""

    sigma: float = 0.05  # standard deviation, pixels in [0, 1]


@register_defense("pixel-noise")
class PixelNoise(_Obfuscation):
    """Gaussian noise on every pixel, drawn afresh per call: what a cloak of the same visibility has to beat."""

    goal = Goal.CLOAK
    secrets = frozenset({Secret.SAMPLE})
    claims = "Recognisers fail on the noise."
    Settings = PixelNoiseSettings
    settings: PixelNoiseSettings

    def _build(self, context: FitContext) -> None:
        if self.settings.sigma <= 0:
            raise InputError(f"pixel-noise: sigma must be positive, got {self.settings.sigma}.")

    def properties(self) -> dict[str, float | str]:
        """``noise_sigma``: by it boards know what others are compared with."""
        return {"noise_sigma": self.settings.sigma}

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) in [0, 1]."""
        noise = secret.sample.child("pixels").normal(secret.ids, tuple(images.shape[1:])).to(images.device)
        return (images + self.settings.sigma * noise).clamp(0, 1)


@register_defense("published-blur")
class PublishedBlur(LowPass):
    """The blur of ``low-pass`` on what is published."""

    protects = Surface.IMAGE
    goal = Goal.ANONYMIZE
    claims = "Nobody recognises the person in a blurred picture."
    publish, transmit = LowPass.transmit, Defense.transmit  # type: ignore[assignment]


@register_defense("published-pixelate")
class PublishedPixelate(Pixelate):
    """The blocks of ``pixelate`` on what is published."""

    protects = Surface.IMAGE
    goal = Goal.ANONYMIZE
    claims = "Nobody recognises the person in a pixelated picture."
    publish, transmit = Pixelate.transmit, Defense.transmit  # type: ignore[assignment]


@register_defense("black-bar")
class BlackBar(_Obfuscation):
    """A black bar over both eyes, where an aligned crop has them."""

    claims = "Nobody recognises a person whose eyes are hidden."

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) in [0, 1]."""
        (left, top, _, bottom), (_, _, right, _) = EYES
        bar = covered([(left, top, right, bottom)], *images.shape[-2:])
        return images.masked_fill(bar.to(images.device), 0.0)


@dataclass(frozen=True)
class KSameSettings:
    """How many faces are averaged."""

    k: int = 10
    side: int = 16  # pixels at which faces are compared


@register_defense("k-same")
class KSame(_Obfuscation):
    """The mean of the k train faces that look most like the picture."""

    fidelity = Fidelity.SIMPLIFIED
    paper = "Newton, Sweeney & Malin, IEEE TKDE 17(2), 2005"
    claims = "A recogniser finds the person with a chance of at most 1 in k."
    Settings = KSameSettings
    settings: KSameSettings
    small: Tensor
    others: FaceSet

    def _build(self, context: FitContext) -> None:
        s = self.settings
        faces = context.faces("k-same averages train faces", s.k)
        if not 1 <= s.k <= len(faces) or s.side < 1:
            raise InputError(f"k-same: k must lie in 1..{len(faces)}, the train pictures, and side be positive: {s}.")
        object.__setattr__(self, "others", faces)
        small = torch.cat([resize(faces.images(part), s.side) for part in torch.arange(len(faces)).split(256)])
        self.small = small.flatten(1).to(context.device)

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) in [0, 1]."""
        apart = torch.cdist(resize(images, self.settings.side).flatten(1), self.small)
        nearest = apart.topk(self.settings.k, largest=False).indices.cpu()
        means = [resize(self.others.images(index), images.shape[-1]).mean(0) for index in nearest]
        return torch.stack(means).to(images.device)
