"""Several recognisers as one: what an adversary has who owns more than one.

    z(x) = [z_1(x), ..., z_m(x)] / sqrt(m),   so   cos(z(x), z(y)) = mean_i cos(z_i(x), z_i(y))
with z_i the unit-norm embedding of member i. A picture that several networks take for somebody convinces a further one
more often than a picture that one of them does (Liu et al., "Delving into Transferable Adversarial Examples and
Black-box Attacks", ICLR 2017). As ``surrogate`` of a target it lends that to every attack that draws by gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.registry import RECOGNIZERS, register_recognizer
from .base import BuildContext, Recognizer


@register_recognizer("joined")
class JoinedRecognizer(Recognizer):
    """Several recognisers side by side."""

    @dataclass(frozen=True)
    class Settings:
        """Who is joined."""

        # Two or more, each as a recogniser stands in a track: {type = ..., settings = {...}}, with weights of its own.
        members: tuple[dict[str, Any], ...] = ()

    settings: Settings

    def _members(self) -> list[Recognizer]:
        """The members, not built yet.

        Raises:
            InputError: fewer than two, no type, or one that is trained here.
        """
        if len(self.settings.members) < 2:
            raise InputError(f"{self.alias}: joined takes two members or more, got {len(self.settings.members)}.")
        made = []
        for place, member in enumerate(self.settings.members):
            if set(member) - {"type", "settings"} or "type" not in member:
                raise InputError(
                    f"{self.alias}: member {place} is {member!r}; write it as {{type = ..., settings = {{...}}}}."
                )
            one: Recognizer = RECOGNIZERS.get(member["type"])(member.get("settings"))
            one.alias = f"{self.alias}, member {place} ({member['type']})"
            if one.needs_training:
                raise InputError(
                    f"{one.alias} is trained on the track's pictures; a member brings its own weights: give it a path, "
                    "or take one of the types that read a file."
                )
            made.append(one)
        return made

    def _build(self, context: BuildContext) -> None:
        self.members = nn.ModuleList(one.build(context) for one in self._members())
        built: list[Recognizer] = list(self.members)  # type: ignore[arg-type]
        self.size, self.dim = max(one.size for one in built), sum(one.dim for one in built)
        self.family = "+".join(one.family for one in built)
        self.differentiable = all(one.differentiable for one in built)
        self._forward_only = [one for one in built if not one.differentiable]
        for place, one in enumerate(built):
            self.provenance |= {f"member {place}: {what}": value for what, value in one.provenance.items()}

    def _embed(self, x: Tensor) -> Tensor:
        return torch.cat([F.normalize(one(x), dim=1) for one in self.members], dim=1)

    def trainable_copy(self) -> Recognizer:
        """As in the base class; each member's copy is made as its own type makes it."""
        copied = super().trainable_copy()
        copied.members = nn.ModuleList(one.trainable_copy() for one in self.members)  # type: ignore[operator]
        return copied

    def no_gradient_message(self) -> str:
        """What happened, why, and what to supply: by the first member that has no gradients."""
        return self._forward_only[0].no_gradient_message()

    def describe(self) -> dict[str, Any]:
        """As in the base class, and of each member what identifies it, weights included."""
        return {**super().describe(), "members": [one.describe() for one in self._members()]}
