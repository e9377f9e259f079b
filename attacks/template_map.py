"""Template map: from a leak to an embedding in the adversary's own space, and from there to a picture.

FEM (arXiv 2602.13168) and the adapters to face foundation models (arXiv 2411.03960) map leaked templates, protected or
not, into the space of a generator that is conditioned on a public recogniser; FaceLinkGen (arXiv 2602.02914) does the
same from what travels on the wire. Here the map is ``identity-extraction`` and the generator a decoder of the
surrogate's embeddings, learnt without the attacked system (``regenerator.py``).
Loss: 1 - mean cos(map(leak), teacher(image)); the decoder's is in its file.
Differs from the papers: a small decoder in place of a diffusion model. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.leaks import Leak
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from .identity_extraction import IdentityExtraction, IdentityExtractionSettings
from .regenerator import Regenerator, RegeneratorSettings


@dataclass(frozen=True)
class TemplateMapSettings(RegeneratorSettings, IdentityExtractionSettings):
    """Of the map, and of the decoder behind it."""


@register_attack("template-map")
class TemplateMap(IdentityExtraction):
    """Leak -> embedding in the surrogate's space -> picture."""

    recovers = frozenset({"image", "identity"})
    paper = "FEM, arXiv 2602.13168"
    paper_value = "ASR at FAR 0.01, four judges: IRSE50 81.5 %, MinusFace 67.6 %"
    paper_source = "FEM (MLP); MinusFace by FEM-KAN"
    Settings = TemplateMapSettings
    settings: TemplateMapSettings
    draw: Regenerator

    def _build(self, context: AttackContext) -> None:
        super()._build(context)
        self.draw = Regenerator(int(self._teacher(context).shape[1]), context.resolution, self.settings.draw_width)

    def _fit(self, context: AttackContext) -> None:
        super()._fit(context)
        z = self._teacher(context)[: context.target.pair_budget]
        self.draw.learn(z, context, self.settings, self.space)

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        z = self._embed(leak, context)
        return Recovery(self.draw(z), z, self.space)
