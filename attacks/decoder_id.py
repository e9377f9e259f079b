"""Feature-inversion network with the attacked recogniser's own feature loss, white box.

Otroshi Shahreza, Krivokuca Hahn, Marcel, "Vulnerability of State-of-the-Art Face Recognition Models to Template
Inversion Attack", TIFS 2024: MAE + 0.75 SSIM + 0.02 perceptual + 0.025 ID. Gradients flow through the attacked
recogniser.

Stage 1: mean |y - x| + w_ssim (1 - SSIM(y, x)); stage 2 adds w_feature (1 - cos(f(y), f(x))), f the attacked
recogniser.

The paper's own network and weights are settings: ``network = "cascade"``, ``width = 512`` at 112 pixels,
``weight_ssim = 0.75``, ``weight_feature = 0.025``.

Differs from the paper: by default the net of ``decoder.py``, begun at ridge regression; cosine rather than squared
distance, no perceptual term (its backbone is not always on disk), and the ID term may start late because it costs a
pass through the recogniser.
Fidelity: simplified.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.registry import register_attack
from ..bench.core.threat import RecognizerAccess, ThreatModel
from .decoder import Decoder


@register_attack("decoder-id")
class DecoderId(Decoder):
    """``decoder`` with the attacked recogniser in place of the student."""

    threat = ThreatModel(recognizer=RecognizerAccess.WHITE_BOX)
    paper = "Otroshi Shahreza et al., TIFS 2024"

    def _likeness(self, context: AttackContext) -> Callable[[Tensor, Tensor], Tensor]:
        attacked, answers = context.target.recognizer, context.target.public_embeddings()
        return lambda y, index: (attacked(y) * answers[index].to(y.device)).sum(1)
