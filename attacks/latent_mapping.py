"""Latent mapping: from a template to the latent of a face generator, so that whatever comes out is a face.

One scheme, which papers fill in differently, here as settings:
  Dong et al., BIOSIG 2021   regression onto the latent alone (``weight_pixel = weight_id = 0``);
  FaceTI (NeurIPS 2023), GaFaR (ICCV 2023)   latent, pixel and identity losses on the picture drawn.
A two-layer network maps the standardised template to w, the prior draws G(w):
    weight_latent |w - E(x)|^2 + weight_pixel |G(w) - x| + weight_id (1 - cos(g(G(w)), f(x)))
with E the prior's encoder and g the surrogate, or a student distilled from the black box's answers (``decoder.py``).
Published: FaceTI, SAR 72.7 % on average on IRSE50 at FAR 0.01; Dong, TAR 46.08 % type-I, 18.30 % type-II at FAR 0.1.
Differs from the papers: the small autoencoder of `bench/zoo/prior.py` for StyleGAN or EG3D (``prior`` takes a StyleGAN2
or 3 of yours, whose encoder is learnt from its samples), real public pictures with their encoded latents for samples of
the generator, no critic on latents, no noise beside the template. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.leaks import Leak
from ..bench.core.nets.mlp import ResidualMlp
from ..bench.core.nets.vae import limited
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.training import Batch, TrainSettings, train
from ..bench.zoo.prior import FacePrior, PriorSettings, UsesPrior, encoded, face_prior
from .decoder import Decoder, InversionSettings


@dataclass(frozen=True)
class LatentMappingSettings(PriorSettings, InversionSettings):
    """Losses and budget of the mapping; the rest is the prior's and the student's."""

    width: int = 512  # hidden units
    steps: int = 800  # optimiser steps
    batch: int = 32  # pairs per step
    lr: float = 1e-3  # peak learning rate
    weight_latent: float = 1.0
    weight_pixel: float = 1.0
    weight_id: float = 0.3


@register_attack("latent-mapping")
class LatentMapping(UsesPrior, Decoder):
    """Template -> latent of the shared prior -> picture."""

    paper = "Otroshi Shahreza and Marcel, NeurIPS 2023 (FaceTI); Dong et al., BIOSIG 2021"
    paper_value = "SAR 72.7 % on IRSE50 at FAR 0.01 (FaceTI)"
    paper_source = "as quoted by FEM, arXiv 2602.13168"
    Settings = LatentMappingSettings
    settings: LatentMappingSettings
    prior: FacePrior

    def _build(self, context: AttackContext) -> None:
        self._need(plane=False)
        # Not a module: its weights are kept once, not in the state of every fit.
        object.__setattr__(self, "prior", face_prior(context, self.settings, encodes=True))
        self.net = ResidualMlp(self.standardize.shape[0], self.prior.dim, self.settings.width)

    def _fit(self, context: AttackContext) -> None:
        s, n = self.settings, context.target.pair_budget
        latents = encoded(self.prior, context, n)
        alike = self._likeness(context) if s.weight_id else None

        def loss(batch: Batch) -> Tensor:
            x = context.public.resized(batch.index, context.resolution).to(context.device)
            w = self.net(self._examples(batch, context))
            value = s.weight_latent * (w - latents[batch.index.to(latents.device)]).square().mean()
            if not s.weight_pixel and alike is None:
                return value
            y = self.prior(limited(w))
            value = value + s.weight_pixel * (y - x).abs().mean()
            if alike is None:
                return value
            some = slice(s.feature_batch)
            return value + s.weight_id * (1 - alike(y[some], batch.index[some])).mean()

        budget = TrainSettings(s.steps, s.batch, s.lr)
        self.log = train(self.net, loss, n, budget, rng=context.rng, progress=context.progress, title=self.name)

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        return Recovery(self.prior(limited(self.net(self.inputs(leak)))))
