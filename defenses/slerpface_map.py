"""SlerpFace with its released head: groups and attention from the recogniser's last map, not from its embedding.

Zhong et al., AAAI 2025, and its released code; ``slerpface.py`` says what enrolment and matching do. The last map of
the recogniser, 512 x 7 x 7 in the released one, goes through a 1x1 convolution, batch norm and PReLU to 16 channels: a
group for each of the 49 cells, summed with the mirrored picture's. Three convolutions on the map give the attention.
Both learn by margin softmax on a_g f_g. Any recogniser that is made of modules will do; a map of more than 7 x 7 cells
is averaged to so many, one of fewer gives fewer groups.

The embedding is the groups times their attention, of unit length: it is what the undefended system with this head would
store, and what an attacker of the wire meets.

Differs from the paper: the recogniser is frozen, where the released one learns together with its head; the attention's
channels are ours, the released ones were not read. Fidelity: re-implementation, simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import ContractError
from ..bench.core.leaks import Leak
from ..bench.core.nets.group_head import GroupHead, cells_of, joined, parted
from ..bench.core.nets.layers import grey, map_layers, outputs
from ..bench.core.registry import register_defense
from .slerpface import SlerpFace, SlerpSettings

_SIDE = 7  # cells per side of the released map


@dataclass(frozen=True)
class SlerpFaceMapSettings(SlerpSettings):
    """The protection, then how its head learns."""


@register_defense("slerpface-map")
class SlerpFaceMap(SlerpFace):
    """Groups of the recogniser's last map, rotated to a stored random key, some dimensions dropped."""

    Settings = SlerpFaceMapSettings

    def _build(self, context: FitContext) -> None:
        self.check()
        (self._place,) = map_layers(context.recognizer, 1)  # type: ignore[arg-type]
        channels, *cells = self._maps(grey(context.recognizer)).shape[1:]  # type: ignore[arg-type]
        self.groups = cells[0] * cells[1]
        self.head = GroupHead(channels, self.settings.group, self.settings.width)

    def _fit(self, context: FitContext) -> None:
        faces = context.faces("slerpface-map learns its groups and their attention", identities=2)
        self.learn(lambda index: self._read(faces.images(index).to(context.device)), [self.head], faces, context)

    def embed(self, wire: Leak) -> Tensor:
        """(N, 3, H, W) -> (N, 16 G) of unit length: groups times attention."""
        if isinstance(wire, dict):
            raise ContractError(f"{self.name} reads pictures, not several tensors.")
        return joined(*self._read(wire))

    def grouped(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 16 G) -> (N, G, 16) groups of unit length and (N, G) attention, sum 1."""
        return parted(z, self.settings.group)

    def _read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self._maps(images), self._maps(images.flip(-1)))  # type: ignore[no-any-return]

    def _maps(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, C, h, w) of at most 7 x 7 cells, by the frozen recogniser."""
        layer = dict(self.recognizer.named_modules())[self._place]
        return cells_of(outputs(self.recognizer, {"map": layer}, images)["map"].float(), _SIDE)
