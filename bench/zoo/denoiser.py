"""A denoiser of faces, trained once per public split: noise of any strength is added, the clean picture asked for."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..core.context import AttackContext, Weights, as_kept
from ..core.nets.dncnn import DnCnn
from ..core.seeding import Rng, presentation_ids
from ..core.training import Batch, TrainSettings, train


@dataclass(frozen=True)
class DenoiserSettings:
    """Size and budget; equal settings share one."""

    denoise_layers: int = 6  # convolutions; the paper: 20 for noise of unknown strength
    denoise_width: int = 24  # channels; the paper: 64
    denoise_steps: int = 250  # optimiser steps
    denoise_batch: int = 8  # pictures per step
    denoise_lr: float = 2e-3  # peak learning rate
    denoise_sigma: float = 0.15  # largest standard deviation of the noise, pixels in [0, 1]; the paper: 55 / 255


def denoiser(context: AttackContext, settings: DenoiserSettings) -> DnCnn:
    """Trained on the context's public faces by |net(x + n) - x|^2 with n of a strength of its own; frozen."""
    s, rng = settings, Rng(context.rng.seed, "denoiser")
    with rng.child("weights").seeds_torch():
        net = DnCnn(s.denoise_layers, s.denoise_width).to(context.device)

    def loss(batch: Batch) -> Tensor:
        x = context.public.resized(batch.index, context.resolution).to(context.device)
        ids = presentation_ids(context.public.ids[batch.index], batch.presentation)
        sigma = s.denoise_sigma * rng.child("strength").uniform(ids, (1, 1, 1)).to(x)
        return (net((x + sigma * rng.normal(ids, tuple(x.shape[1:])).to(x)).clamp(0, 1)) - x).square().mean()

    def make() -> Weights:
        budget = TrainSettings(s.denoise_steps, s.denoise_batch, s.denoise_lr)
        train(net, loss, len(context.public), budget, rng=rng, progress=context.progress, title="denoiser")
        return net.state_dict()

    as_kept(
        net, context.keep("denoiser", {name: getattr(s, name) for name in DenoiserSettings.__dataclass_fields__}, make)
    )
    return net
