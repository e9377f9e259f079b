"""Ceilings: the victims' own photographs, scored like recoveries. They give every other number its meaning."""

from __future__ import annotations

from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.faces import resize
from ..bench.core.leaks import Leak
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Role
from ..bench.core.threat import ThreatModel
from .base import Attack


@register_attack("same-photo")
class SamePhoto(Attack):
    """The very photograph that leaked, at the resolution of the attacks: perfect reconstruction."""

    role = Role.CEILING
    threat = ThreatModel(victims=True)

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        return Recovery(resize(context.need_photographs("same")[index], context.resolution))


@register_attack("other-photo")
class OtherPhoto(Attack):
    """Another photograph of the victim: what a perfect thief of identity, not of pixels, would show."""

    role = Role.CEILING
    threat = ThreatModel(victims=True)

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        return Recovery(resize(context.need_photographs("other")[index], context.resolution))
