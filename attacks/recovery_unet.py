"""Recovery U-Net: from what travels on the wire to the picture.

The attack that papers on wire defences run on themselves (MinusFace, CVPR 2024, supplement A.3; PartialFace, ICCV 2023,
section 4.5): full U-Net, pixel L1, fresh secrets for every presentation, each input channel standardised.
Loss: mean |y - x|.
Differs from the papers: width 24 rather than 64 in the small form, group norm (the official one has none), the
picture is recovered at the attack's resolution. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.context import AttackContext
from ..bench.core.leaks import Leak, leak_to
from ..bench.core.nets.unet import UNet
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Fidelity, Surface
from ..bench.core.threat import ThreatModel
from ..bench.core.training import Batch, TrainSettings, train
from .base import Attack


@dataclass(frozen=True)
class RecoveryUNetSettings:
    """Size and budget."""

    width: int = 24  # channels at full resolution; 3 instead of 32 is a published mistake
    levels: int = 4  # halvings
    steps: int = 800  # optimiser steps
    batch: int = 32  # pairs per step
    lr: float = 1e-3  # peak learning rate (MinusFace A.3)


@register_attack("recovery-unet")
class RecoveryUNet(Attack):
    """Wire -> picture, trained on pairs."""

    threat = ThreatModel()
    surfaces = frozenset({Surface.WIRE, Surface.IMAGE})
    trained = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "Mi et al., CVPR 2024, supplement A.3"
    paper_value = "SSIM 0.50, PSNR 10.98 dB against MinusFace"
    paper_source = "MinusFace, Fig. 6c"
    Settings = RecoveryUNetSettings
    settings: RecoveryUNetSettings
    net: nn.Module

    def _build(self, context: AttackContext) -> None:
        self._need(plane=True)
        self.net = UNet(self.standardize.shape[0], self.settings.width, self.settings.levels)

    def _plane(self, leak: Leak, side: int) -> Tensor:
        """(N, C, side, side) standardised, as the network takes it."""
        x = self.inputs(leak)
        return x if x.shape[-1] == side else F.interpolate(x, (side, side), mode="bilinear", antialias=True)

    def _fit(self, context: AttackContext) -> None:
        def loss(batch: Batch) -> Tensor:
            x = context.public.resized(batch.index, context.resolution).to(context.device)  # (B, 3, s, s)
            leak = leak_to(context.target.pairs(batch.index, batch.presentation), context.device)
            return (self.net(self._plane(leak, context.resolution)) - x).abs().mean()

        budget = TrainSettings(self.settings.steps, self.settings.batch, self.settings.lr)
        n = context.target.pair_budget
        self.log = train(self.net, loss, n, budget, rng=context.rng, progress=context.progress, title=self.name)

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        return Recovery(self.net(self._plane(leak, context.resolution)))
