"""The generative prior that attacks share: trained once per public split, on the adversary's own faces, and kept.

A generator turns any search into a search among faces: what it draws looks like a face whatever the search does. The
published attacks take StyleGANs of millions of pictures; this one is a small variational autoencoder, which blurs, and
says so in the header of every attack that uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.context import AttackContext, Weights, as_kept
from ..core.nets.vae import FaceVae
from ..core.seeding import Rng, presentation_ids
from ..core.training import Batch, TrainSettings, train


@dataclass(frozen=True)
class PriorSettings:
    """Size and budget of the prior; equal settings share one."""

    prior_dim: int = 64  # length of a latent
    prior_width: int = 96  # channels of its decoder at 4x4
    prior_steps: int = 1200  # optimiser steps
    prior_batch: int = 32  # pictures per step
    prior_lr: float = 2e-3  # peak learning rate
    prior_kl: float = 0.005  # weight of the divergence from N(0, 1)


def face_prior(context: AttackContext, settings: PriorSettings) -> FaceVae:
    """The prior of the context's public faces, frozen.

    Args:
        context: of an attack; nothing of the attacked system is used.
        settings: its size and budget; an attack's own settings may be handed over whole.
    """
    s = settings
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


def samples(prior: FaceVae, rng: Rng, ids: Tensor, count: int) -> Tensor:
    """(N, count, dim) latents drawn from the prior for (N,) sample ids."""
    return rng.normal(ids, (count, prior.dim)).to(next(prior.parameters()).device)


@torch.no_grad()
def encoded(prior: FaceVae, context: AttackContext, count: int) -> Tensor:
    """(count, dim) the latents of the first public pictures."""
    parts = []
    for index in torch.arange(count).split(128):
        x = context.public.resized(index, context.resolution).to(context.device)
        parts.append(prior.encode(x)[0])
    return torch.cat(parts)
