"""Feature-inversion network with the recogniser's feature loss, white box.

Otroshi Shahreza, Krivokuca Hahn, Marcel, "Vulnerability of State-of-the-Art Face Recognition Models to Template
Inversion Attack", TIFS 2024: MAE + 0.75 SSIM + 0.02 perceptual + 0.025 ID. Gradients flow through the attacked
recogniser.
Loss: mean |y - x| + w_ssim (1 - SSIM(y, x)) + w_id (1 - cos(f(y), f(x))).
Differs from the paper: the decoder of ``decoder.py`` rather than the cascaded deconvolution, cosine rather than squared
distance for ID, no perceptual term (its backbone is not always on disk), and the ID term may start late because it
costs a pass through the recogniser. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.registry import register_attack
from ..bench.core.threat import RecognizerAccess, ThreatModel
from ..bench.core.training import Batch
from . import decoder


@dataclass(frozen=True)
class Settings(decoder.Settings):
    """Those of ``decoder`` and the feature loss."""

    weight_id: float = 0.3  # of 1 - cos(f(y), f(x))
    id_from: float = 0.0  # share of the training after which the ID term starts [0, 1]
    id_batch: int = 64  # samples of each batch that go through the recogniser


@register_attack("decoder-id")
class DecoderId(decoder.Decoder):
    """``decoder`` plus the identity loss of the attacked recogniser."""

    threat = ThreatModel(recognizer=RecognizerAccess.WHITE_BOX)
    paper = "Otroshi Shahreza et al., TIFS 2024"
    Settings = Settings
    settings: Settings

    def _loss(self, y: Tensor, x: Tensor, batch: Batch, context: AttackContext) -> Tensor:
        value = decoder.pixel_loss(y, x, self.settings.weight_ssim)
        if batch.progress < self.settings.id_from:
            return value
        count = self.settings.id_batch
        z = context.target.public_embeddings()[batch.index[:count].cpu()].to(y.device)  # (b, D)
        cosine = (context.target.recognizer(y[:count].float()) * z).sum(1)
        return value + self.settings.weight_id * (1 - cosine).mean()
