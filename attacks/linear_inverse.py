"""Linear inverse: the best linear map from what travels back to the picture, pixel by pixel, in closed form.

Front ends that are linear (a block DCT with some channels dropped, a blur, a fixed shuffle of channels) have a linear
inverse, and no network is needed to find it. A pixel is regressed on the channels of its neighbourhood:
    W, b = argmin E |W u + b - x|^2 + penalty |W|^2,    u the k x k neighbourhood of the standardised leak
which also is the best that can be done on average where the front end is not known or noisy. What it does to a front
end that is drawn anew for every picture is shown by ``secret-fingerprint``.
A method of our own as a floor under ``recovery-unet``; it needs neither gradients nor minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.errors import InputError
from ..bench.core.leaks import Leak, leak_to
from ..bench.core.linear import ridge
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Surface
from ..bench.core.threat import ThreatModel
from .base import Attack


@dataclass(frozen=True)
class LinearInverseSettings:
    """Size and stiffness."""

    neighbourhood: int = 3  # k, odd
    most_features: int = 768  # k falls to 1 where channels x k x k would be more
    pictures: int = 256  # public pictures used
    pixels: int = 96  # of each, at random places
    penalty: float = 1e-3  # on the weights; features have unit variance


@register_attack("linear-inverse")
class LinearInverse(Attack):
    """Map -> picture by one small convolution, fitted in closed form."""

    threat = ThreatModel()
    surfaces = frozenset({Surface.WIRE, Surface.IMAGE})
    uses_pairs = True
    Settings = LinearInverseSettings
    settings: LinearInverseSettings
    weight: Tensor
    offset: Tensor

    def _fit(self, context: AttackContext) -> None:
        self._need(plane=True)
        if self.settings.neighbourhood < 1 or self.settings.neighbourhood % 2 == 0:
            raise InputError(f"linear-inverse: neighbourhood must be odd, got {self.settings.neighbourhood}.")
        count = min(self.settings.pictures, context.target.pair_budget)
        features, pixels = [], []
        for part in torch.arange(count).split(32):
            u = self.features(leak_to(context.target.pairs(part), context.device), context.resolution)
            x = context.public.resized(part, context.resolution).to(context.device)
            rows, places = self._places(context, part, u.shape[-1] * u.shape[-2])
            features.append(u.flatten(2)[rows, :, places])
            pixels.append(x.flatten(2)[rows, :, places])
        weight, offset = ridge(torch.cat(features), torch.cat(pixels), self.settings.penalty)
        self.register_buffer("weight", weight.float(), persistent=False)  # (C k k, 3)
        self.register_buffer("offset", offset.float(), persistent=False)

    def _places(self, context: AttackContext, part: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Row and pixel of every sample: other places in every picture."""
        u = context.rng.child("places").uniform(context.public.ids[part], (self.settings.pixels,))
        rows = torch.arange(len(part))[:, None].expand_as(u)
        return rows.flatten().to(context.device), (u * size).long().flatten().to(context.device)

    def features(self, leak: Leak, side: int) -> Tensor:
        """(N, C k k, side, side) standardised, each pixel with its neighbours."""
        x = self.inputs(leak)
        if x.shape[-1] != side:
            x = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
        k = self.settings.neighbourhood
        if k == 1 or x.shape[1] * k * k > self.settings.most_features:
            return x
        return F.unfold(F.pad(x, (k // 2,) * 4, mode="replicate"), k).unflatten(2, (side, side))

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        parts = []
        for some in self.features(leak, context.resolution).split(16):
            parts.append(torch.einsum("nfhw,fc->nchw", some, self.weight) + self.offset[:, None, None])
        return Recovery(torch.cat(parts).clamp(0, 1))
