"""Linear inverse: the best linear map from what travels back to the picture, pixel by pixel, in closed form.

Front ends that are linear (a block DCT with some channels dropped, a blur, a fixed shuffle of channels) have a linear
inverse, and no network is needed to find it. A pixel is regressed on the channels of its neighbourhood:
    W, b = argmin E |W u + b - x|^2 + penalty |W|^2,    u the k x k neighbourhood of the standardised leak
which also is the best that can be done on average where the front end is not known or noisy. What it does to a front
end that is drawn anew for every picture is shown by ``secret-fingerprint``.
A method of our own as a floor under ``recovery-unet``; it needs neither gradients nor minutes.
"""

from __future__ import annotations

from collections.abc import Callable
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
from ..bench.core.surfaces import Role, Surface
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

    role = Role.FLOOR
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
        weight, offset = pixels_from_maps(lambda leak: self._plane(leak, context.resolution), self.settings, context)
        self.register_buffer("weight", weight, persistent=False)  # (C k k, 3)
        self.register_buffer("offset", offset, persistent=False)

    def _plane(self, leak: Leak, side: int) -> Tensor:
        """(N, C, side, side) standardised."""
        x = self.inputs(leak)
        return x if x.shape[-1] == side else F.interpolate(x, (side, side), mode="bilinear", antialias=True)

    def features(self, leak: Leak, side: int) -> Tensor:
        """(N, C k k, side, side) standardised, each pixel with its neighbours."""
        return neighbours(self._plane(leak, side), self.settings)

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        parts = []
        for some in self.features(leak, context.resolution).split(16):
            parts.append(torch.einsum("nfhw,fc->nchw", some, self.weight) + self.offset[:, None, None])
        return Recovery(torch.cat(parts).clamp(0, 1))


def neighbours(x: Tensor, settings: LinearInverseSettings) -> Tensor:
    """(N, C, s, s) -> (N, C k k, s, s), each pixel with its neighbours."""
    k = reach(x.shape[1], settings)
    return x if k == 1 else F.unfold(F.pad(x, (k // 2,) * 4, mode="replicate"), k).unflatten(2, x.shape[2:])


def reach(channels: int, settings: LinearInverseSettings) -> int:
    """k, or 1 where that would be too many features."""
    k = settings.neighbourhood
    return 1 if channels * k * k > settings.most_features else k


def pixels_from_maps(
    read: Callable[[Leak], Tensor], settings: LinearInverseSettings, context: AttackContext
) -> tuple[Tensor, Tensor]:
    """W (C k k, 3) and b (3,): the best linear map from a neighbourhood to its pixel.

    Args:
        read: leak -> (N, C, s, s) standardised, s the side of the pictures.
        settings: size and stiffness.
        context: public pictures and their leaks.
    """
    count = min(settings.pictures, context.target.pair_budget)
    known, wanted = [], []
    for part in torch.arange(count).split(32):
        u = neighbours(read(leak_to(context.target.pairs(part), context.device)), settings)
        x = context.public.resized(part, context.resolution).to(context.device)
        rows, places = places_in(context, part, u.shape[-1] * u.shape[-2], settings.pixels)
        known.append(u.flatten(2)[rows, :, places])
        wanted.append(x.flatten(2)[rows, :, places])
    weight, offset = ridge(torch.cat(known), torch.cat(wanted), settings.penalty)
    return weight.float(), offset.float()


def places_in(context: AttackContext, part: Tensor, size: int, pixels: int) -> tuple[Tensor, Tensor]:
    """Row and pixel of every sample: other places in every picture."""
    u = context.rng.child("places").uniform(context.public.ids[part], (pixels,))
    rows = torch.arange(len(part))[:, None].expand_as(u)
    return rows.flatten().to(context.device), (u * size).long().flatten().to(context.device)
