"""Linear ridge decoder: the closed-form inverse of a leak, no network.

    W, b = argmin mean |W z + b - x|^2 + penalty |W|^2
for all pixels at once, z the standardised leak. The penalty is the smallest that errs hardly more than the best on
public people held out in turn. Targets averaged with their mirror images, as symmetrical recognisers suggest, do worse:
an embedding tells a little of where a face looks. Sums are taken up in blocks: 112 pixels and 100,000 pairs fit into
memory.
The floor that every trained attack must beat to have learnt anything; the inversion networks begin at it.
Fidelity: baseline (no paper).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.errors import InputError
from ..bench.core.leaks import Leak, leak_to
from ..bench.core.linear import Moments, penalty_by_people
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Role, Surface
from ..bench.core.threat import RecognizerAccess, ThreatModel
from .base import Attack

_BLOCK = 512  # pairs that are in memory at a time
_COARSE = 16  # side of the pictures on which the penalty is chosen


@dataclass(frozen=True)
class LinearRidgeSettings:
    """Stiffness and data."""

    penalty: float = 0.0  # in units of a coordinate's variance; 0: chosen on held-out public people
    samples: int = 100_000  # public pairs used at most


@register_attack("linear-ridge")
class LinearRidge(Attack):
    """Closed form; runs in seconds."""

    role = Role.FLOOR
    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)
    surfaces = frozenset({Surface.TEMPLATE})
    uses_pairs = True
    Settings = LinearRidgeSettings
    settings: LinearRidgeSettings
    weight: Tensor
    offset: Tensor

    def _fit(self, context: AttackContext) -> None:
        self._need(plane=False)
        if self.settings.penalty < 0 or self.settings.samples < 2:
            raise InputError(
                f"linear-ridge: penalty must be at least 0 and samples at least 2, got {self.settings.penalty} and "
                f"{self.settings.samples}."
            )
        count = min(self.settings.samples, context.target.pair_budget)
        z = torch.cat([
            self.inputs(leak_to(context.target.pairs(part), context.device)).cpu()
            for part in torch.arange(count).split(_BLOCK)
        ])  # fmt: skip
        weight, offset = ridge_to_pictures(z, context, self.settings.penalty)
        self.register_buffer("weight", weight.to(context.device), persistent=False)  # (K, 3 s s)
        self.register_buffer("offset", offset.to(context.device), persistent=False)  # (3 s s,)

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        side = context.resolution
        y = torch.addmm(self.offset, self.inputs(leak), self.weight)
        return Recovery(y.reshape(-1, 3, side, side).clamp(0, 1))


def ridge_to_pictures(
    z: Tensor, context: AttackContext, penalty: float = 0.0, index: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """W (K, 3 s s) and b (3 s s,), float32: the best linear map from vectors to the public pictures.

    Args:
        z: (n, K) of the first n public pictures, or of those at ``index``.
        context: pictures and their side s.
        penalty: as in ``ridge``; 0: chosen on held-out public people.
        index: (n,) positions.
    """
    index = torch.arange(len(z)) if index is None else index
    penalty = penalty or _choose(z, context, index)
    moments = Moments(z.shape[1], 3 * context.resolution**2)
    for part in torch.arange(len(z)).split(_BLOCK):
        moments.add(z[part], context.public.resized(index[part], context.resolution).flatten(1))
    weight, offset = moments.solve(penalty)
    return weight.float(), offset.float()


def _choose(z: Tensor, context: AttackContext, index: Tensor) -> float:
    """What errs least on pictures of people it was not learnt from, as far as 16 pixels show."""
    side = min(_COARSE, context.resolution)
    small = [
        F.adaptive_avg_pool2d(context.public.resized(part, context.resolution), side) for part in index.split(_BLOCK)
    ]
    return penalty_by_people(z, torch.cat(small).flatten(1), context.public.labels[index])
