"""The generative prior that attacks share: trained once per public split, on the adversary's own faces, and kept.

A generator turns any search into a search among faces: what it draws looks like a face whatever the search does. The
published attacks take StyleGANs of millions of pictures; this one is a small variational autoencoder, which blurs, and
says so in the header of every attack that uses it. Who has a StyleGAN2 or 3 of their own gives its path (`style.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..core.context import AttackContext, Weights, as_kept
from ..core.nets.latent_noise import in_rows
from ..core.nets.vae import FaceVae
from ..core.plugin import Plugin
from ..core.seeding import Rng, presentation_ids
from ..core.training import Batch, TrainSettings, train
from ..core.weights import weights_digest
from .style import Box, StylePrior, style_prior

FacePrior: TypeAlias = FaceVae | StylePrior


@dataclass(frozen=True)
class PriorSettings:
    """Which prior, its size and its budget; equal settings share one."""

    # Path of a StyleGAN2's or 3's weights (.safetensors, .pt, .pth, the releases' .pkl); empty = the small autoencoder.
    prior: str = ""
    # What is kept of the generator's picture: left, top, right, bottom, as shares of its side. FFHQ's faces are framed
    # wider than those of recognisers; the identity loss of pSp (CVPR 2021) keeps (0.125, 0.137, 0.859, 0.871).
    prior_box: Box = (0.0, 0.0, 1.0, 1.0)
    # The sizes and the divergence are the autoencoder's; steps, batch and rate also those of a generator's encoder.
    prior_dim: int = 64  # length of a latent
    prior_width: int = 96  # channels of its decoder at 4x4
    prior_steps: int = 1200  # optimiser steps
    prior_batch: int = 32  # pictures per step
    prior_lr: float = 2e-3  # peak learning rate
    prior_kl: float = 0.005  # weight of the divergence from N(0, 1)


class UsesPrior(Plugin):
    """Mixed into attacks with ``PriorSettings``: other weights at the same path are another cell."""

    def describe(self) -> dict[str, Any]:
        """As in the base class, and the digest of the generator's weights where a path is given."""
        path = self.settings.prior
        return super().describe() | ({"prior": weights_digest(path)} if path else {})


def face_prior(context: AttackContext, settings: PriorSettings, *, encodes: bool = False) -> FacePrior:
    """The user's generator, or the prior of the context's public faces; frozen.

    Args:
        context: of an attack; nothing of the attacked system is used.
        settings: which, its size and budget; an attack's own settings may be handed over whole.
        encodes: whether pictures will be encoded: the user's generator must learn that first.

    Raises:
        InputError: the weights at ``settings.prior`` cannot be read, or are no StyleGAN2's or StyleGAN3's.
    """
    s = settings
    if s.prior:
        budget = TrainSettings(s.prior_steps, s.prior_batch, s.prior_lr) if encodes else None
        return style_prior(context, s.prior, s.prior_box, budget)
    rng = Rng(context.rng.seed, "prior")
    with rng.child("weights").seeds_torch():
        prior = FaceVae(context.resolution, s.prior_dim, s.prior_width).to(context.device)

    def loss(batch: Batch) -> Tensor:
        x = context.public.resized(batch.index, context.resolution).to(context.device)
        ids = presentation_ids(context.public.ids[batch.index], batch.presentation)
        return prior.loss(x, rng.normal(ids, (s.prior_dim,)).to(context.device), s.prior_kl)

    def make() -> Weights:
        budget = TrainSettings(s.prior_steps, s.prior_batch, s.prior_lr)
        train(prior, loss, len(context.public), budget, rng=rng, progress=context.progress, title="generative prior")
        return prior.state_dict()

    spec = {name: getattr(s, name) for name in PriorSettings.__dataclass_fields__}
    as_kept(prior, context.keep("prior", spec, make))
    return prior


def samples(prior: FacePrior, rng: Rng, ids: Tensor, count: int) -> Tensor:
    """(N, count, dim) latents drawn from the prior for (N,) sample ids."""
    if isinstance(prior, StylePrior):
        noise = rng.normal(ids, (count, prior.noise_dim)).to(prior.spread)
        return in_rows(prior.latents, noise.flatten(0, 1)).unflatten(0, (len(ids), count))
    return rng.normal(ids, (count, prior.dim)).to(next(prior.parameters()).device)


@torch.no_grad()
def encoded(prior: FacePrior, context: AttackContext, count: int) -> Tensor:
    """(count, dim) the latents of the first public pictures."""
    parts = []
    for index in torch.arange(count).split(128):
        x = context.public.resized(index, context.resolution).to(context.device)
        parts.append(prior.encode(x)[0])
    return torch.cat(parts)
