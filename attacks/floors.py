"""Floors: what anybody gets without an attack. An attack below them is broken or defeated, and the board must tell
which.

On real faces the nearest public face is a strong one: it is a stranger's photograph whose template is close, so it
often passes the attacked recogniser, and far less often an independent judge.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.errors import NotApplicable
from ..bench.core.faces import resize
from ..bench.core.leaks import Leak, leak_length
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Role, Surface
from ..bench.core.threat import RecognizerAccess, ThreatModel
from .base import Attack


@register_attack("grey")
class Grey(Attack):
    """A constant grey picture (0.5): many published PSNRs of defended faces lie below it."""

    role = Role.FLOOR

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        side = context.resolution
        return Recovery(torch.full((leak_length(leak), 3, side, side), 0.5))


@register_attack("mean-face")
class MeanFace(Attack):
    """The mean of the public faces: the best constant picture under the squared error."""

    role = Role.FLOOR
    mean: Tensor

    def _fit(self, context: AttackContext) -> None:
        parts = torch.arange(len(context.public)).split(512)
        total = sum(context.public.resized(part, context.resolution).double().sum(0) for part in parts)
        self.register_buffer("mean", (torch.as_tensor(total) / len(context.public)).float())

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        return Recovery(self.mean.expand(leak_length(leak), -1, -1, -1).clamp(0, 1))


@register_attack("random-public-face")
class RandomPublicFace(Attack):
    """A public photograph drawn at random for each victim."""

    role = Role.FLOOR

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        draw = context.rng.child("random-face").uniform(ids)
        chosen = (draw * len(context.public)).long().clamp(max=len(context.public) - 1)
        return Recovery(resize(context.public.images(chosen), context.resolution))


@register_attack("nearest-public-face")
class NearestPublicFace(Attack):
    """The public photograph whose leak is most alike (cosine of the standardised leaks); pictures at 16x16."""

    role = Role.FLOOR
    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)
    uses_pairs = True

    def _fit(self, context: AttackContext) -> None:
        count = context.target.pair_budget
        parts = [self._key(context.target.pairs(part)) for part in torch.arange(count).split(256)]
        self.register_buffer("keys", torch.cat(parts), persistent=False)

    def _key(self, leak: Leak) -> Tensor:
        # Whole-image maps are compared at 16x16, else one picture's memory is a thousand templates'.
        x = self.inputs(leak)
        return F.normalize((F.adaptive_avg_pool2d(x, 16) if x.ndim == 4 else x).flatten(1), dim=1)

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        nearest = (self._key(leak) @ self.keys.T).argmax(dim=1)
        return Recovery(resize(context.public.images(nearest), context.resolution))

    keys: Tensor


@register_attack("as-is")
class AsIs(Attack):
    """The leak taken as a picture: what is recognised without any attack."""

    role = Role.FLOOR
    surfaces = frozenset({Surface.IMAGE, Surface.WIRE})

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        if isinstance(leak, dict) or leak.ndim != 4 or leak.shape[1] != 3:
            raise NotApplicable("This leak is not a picture of three channels, so it cannot be looked at as it is.")
        return Recovery(leak.float().clamp(0, 1))
