"""Feature-inversion network: a small deconvolution decoder from template to picture, black box.

The attacker every defence paper tests against ("URec" in AdvFace; Mai et al., "On the Reconstruction of Face Images
from Deep Face Templates", TPAMI 2019, stage 1). Needs (image, template) pairs of its own public faces, hence only the
answers of the attacked system.
Loss: mean |y - x| + 0.3 (1 - SSIM(y, x)).
Differs from the papers: group norm, one-cycle AdamW, nearest up-sampling; no perceptual stage. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..bench.core.context import AttackContext
from ..bench.core.errors import NotApplicable
from ..bench.core.leaks import Leak, leak_to
from ..bench.core.nets.decoder import UpDecoder
from ..bench.core.nets.ssim import ssim_map
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Fidelity, Surface
from ..bench.core.threat import RecognizerAccess, ThreatModel
from ..bench.core.training import Batch, TrainSettings, train
from .base import Attack


@dataclass(frozen=True)
class Settings:
    """Size and budget; the defaults are the small form for 64x64 on a CPU."""

    width: int = 96  # channels at 4x4
    steps: int = 1000  # optimiser steps
    batch: int = 64  # pairs per step
    lr: float = 3e-3  # peak learning rate
    weight_ssim: float = 0.3  # of (1 - SSIM)


def pixel_loss(y: Tensor, x: Tensor, weight_ssim: float) -> Tensor:
    """mean |y - x| + weight (1 - SSIM), a scalar."""
    return (y - x).abs().mean() + weight_ssim * (1 - ssim_map(y, x).mean())


@register_attack("decoder")
class Decoder(Attack):
    """Template -> picture, trained on pairs."""

    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)
    surfaces = frozenset({Surface.TEMPLATE})
    trained = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "Mai et al., TPAMI 2019 (stage 1); Wang et al., CVPR 2023 (attacker)"
    Settings = Settings
    settings: Settings
    net: nn.Module

    def _build(self, context: AttackContext) -> None:
        if self.standardize.is_map:
            raise NotApplicable(f"{self.name} reads vectors; this leak is a map of shape {self.standardize.shape}.")
        self.net = UpDecoder(self.standardize.shape[0], context.resolution, self.settings.width)

    def _fit(self, context: AttackContext) -> None:
        def loss(batch: Batch) -> Tensor:
            x = context.public.resized(batch.index, context.resolution).to(context.device)  # (B, 3, s, s)
            z = self.inputs(leak_to(context.target.pairs(batch.index, batch.presentation), context.device))  # (B, D)
            return self._loss(self.net(z), x, batch, context)

        budget = TrainSettings(self.settings.steps, self.settings.batch, self.settings.lr)
        n = context.target.pair_budget
        self.log = train(self.net, loss, n, budget, rng=context.rng, progress=context.progress, title=self.name)

    def _loss(self, y: Tensor, x: Tensor, batch: Batch, context: AttackContext) -> Tensor:
        return pixel_loss(y, x, self.settings.weight_ssim)

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        return Recovery(self.net(self.inputs(leak)))
