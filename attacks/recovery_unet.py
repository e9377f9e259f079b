"""Recovery U-Net: from what travels on the wire to the picture.

The attack that papers on wire defences run on themselves (MinusFace, CVPR 2024, supplement A.3; PartialFace, ICCV 2023,
section 4.5): full U-Net, pixel L1, fresh secrets for every presentation, each input channel standardised.
Stage 1: mean |y - x|; stage 2, where the adversary has a surrogate with gradients, adds w_ssim (1 - SSIM(y, x)) and
w_identity (1 - cos(g(y), g(x))), g the surrogate. Each stage has a learning-rate cycle of its own.
Differs from the papers: the network's picture is added to that of ``linear-inverse``, and of what is learnt on top, as
much is kept as does held-out people no harm; stage 2; width 24 rather than 64 in the small form, group norm (the
official one has none), the picture is recovered at the attack's resolution. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.leaks import Leak, leak_to
from ..bench.core.nets.begun import BegunMap
from ..bench.core.nets.ssim import ssim_map
from ..bench.core.nets.unet import UNet
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Fidelity, Surface
from ..bench.core.threat import ThreatModel
from ..bench.core.training import TrainSettings
from .base import Attack
from .inversion import Recipe, learn_on_top, staged
from .linear_inverse import LinearInverseSettings, pixels_from_maps, reach

_HELD = 48  # held-out pictures that are looked at: their leaks may have hundreds of channels


@dataclass(frozen=True)
class RecoveryUNetSettings:
    """Size and budget."""

    width: int = 24  # channels at full resolution; 3 instead of 32 is a published mistake
    levels: int = 4  # halvings
    steps: int = 800  # optimiser steps
    batch: int = 32  # pairs per step
    lr: float = 1e-3  # peak learning rate (MinusFace A.3)
    stage_one: float = 0.7  # share of the steps in pixels alone; the papers have no other
    weight_ssim: float = 0.1  # of (1 - SSIM), in stage 2
    weight_identity: float = 0.1  # of (1 - cos), in stage 2; 0 = pixels only
    identity_batch: int = 8  # samples of each batch that the identity term sees


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
    net: BegunMap

    def _build(self, context: AttackContext) -> None:
        self._need(plane=True)
        channels = self.standardize.shape[0]
        side = reach(channels, LinearInverseSettings())
        self.net = BegunMap(channels, side, UNet(channels, self.settings.width, self.settings.levels))

    def _plane(self, leak: Leak, side: int) -> Tensor:
        """(N, C, side, side) standardised, as the network takes it."""
        x = self.inputs(leak)
        return x if x.shape[-1] == side else F.interpolate(x, (side, side), mode="bilinear", antialias=True)

    def _fit(self, context: AttackContext) -> None:
        s, own, known = self.settings, context.surrogate, context.surrogate_embeddings
        self._begin(context)

        def read(index: Tensor, presentation: int) -> Tensor:
            leak = leak_to(context.target.pairs(index, presentation), context.device)
            return self._plane(leak, context.resolution)

        def pixels(y: Tensor, x: Tensor, index: Tensor) -> Tensor:
            return (y - x).abs().mean()

        def both(y: Tensor, x: Tensor, index: Tensor) -> Tensor:
            assert own is not None
            assert known is not None
            some = slice(s.identity_batch)
            alike = (own(y[some].float()) * known()[index[some]].to(y.device)).sum(1)
            return (
                pixels(y, x, index)
                + s.weight_ssim * (1 - ssim_map(y, x).mean())
                + s.weight_identity * (1 - alike).mean()
            )

        able = s.weight_identity and known is not None and getattr(own, "differentiable", False)
        stages = staged(s.steps, s.stage_one, pixels, both if able else None)
        recipe = Recipe(read, stages, TrainSettings(s.steps, s.batch, s.lr), held=_HELD)
        self.log = learn_on_top(self.net, recipe, context.target.pair_budget, context, context.rng, self.name)

    def _begin(self, context: AttackContext) -> None:
        """Start as the linear inverse."""
        side = self.net.weight.shape[-1]
        settings = LinearInverseSettings(neighbourhood=side)
        weight, offset = pixels_from_maps(lambda leak: self._plane(leak, context.resolution), settings, context)
        self.net.begin(weight.T.reshape(self.net.weight.shape), offset)

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        return Recovery(self.net(self._plane(leak, context.resolution)))
