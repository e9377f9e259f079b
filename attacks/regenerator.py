"""From an embedding in the adversary's own space to a picture: learnt once, whatever is attacked.

What an adversary does who has a person's embedding and wants to see the face. The embeddings are those of a public
recogniser (the surrogate), so nothing of the attacked system is needed to learn it.
Stage 1: mean |y - x| + w_ssim (1 - SSIM); stage 2 adds w_identity (1 - cos(g(y), z)), g the surrogate, where there is
one with gradients. The picture is that of ridge regression and what the decoder adds (``inversion.py``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from ..bench.core.context import AttackContext, Weights, as_kept
from ..bench.core.nets.begun import Begun
from ..bench.core.nets.decoder import UpDecoder
from ..bench.core.nets.ssim import ssim_map
from ..bench.core.nets.standardize import Standardize
from ..bench.core.seeding import Rng
from ..bench.core.training import TrainSettings
from .inversion import Recipe, learn_to_draw, staged


@dataclass(frozen=True)
class RegeneratorSettings:
    """Size and budget of the decoder."""

    draw_width: int = 96  # channels at 4x4
    draw_steps: int = 1000  # optimiser steps
    draw_batch: int = 64  # pairs per step
    draw_lr: float = 3e-3  # peak learning rate
    weight_ssim: float = 0.3  # of (1 - SSIM)
    weight_identity: float = 0.3  # of (1 - cos), in stage 2; 0 = pixels only
    identity_from: float = 0.7  # share of the steps after which stage 2 begins [0, 1]
    identity_batch: int = 16  # samples of each batch that stage 2's term sees


class Regenerator(nn.Module):
    """(N, D) unit-norm embeddings -> (N, 3, s, s) pictures.

    Args:
        dim: D.
        size: s.
        width: channels at 4x4.
    """

    def __init__(self, dim: int, size: int, width: int) -> None:
        super().__init__()
        self.standardize = Standardize(torch.zeros(2, dim))
        self.net = Begun(dim, size, UpDecoder(dim, size, width))

    def forward(self, z: Tensor) -> Tensor:
        """(N, D) -> (N, 3, s, s) in [0, 1]."""
        return self.net(self.standardize(z))  # type: ignore[no-any-return]

    def learn(self, z: Tensor, context: AttackContext, settings: RegeneratorSettings, space: str) -> None:
        """Fit on the public pictures, or load what an equal fit has learnt.

        Args:
            z: (n, D) embeddings of the first n public pictures.
            context: of the attack.
            settings: size and budget.
            space: whose embeddings: ``surrogate`` or ``target``.
        """
        rng, own = Rng(context.rng.seed, "regenerator", space), context.surrogate if space == "surrogate" else None
        z = z.cpu()

        def pixels(y: Tensor, x: Tensor, index: Tensor) -> Tensor:
            return (y - x).abs().mean() + settings.weight_ssim * (1 - ssim_map(y, x).mean())

        def both(y: Tensor, x: Tensor, index: Tensor) -> Tensor:
            assert own is not None
            some = slice(settings.identity_batch)
            alike = (own(y[some].float()) * z[index[some]].to(y.device)).sum(1)
            return pixels(y, x, index) + settings.weight_identity * (1 - alike).mean()

        def make() -> Weights:
            self.standardize.fit(z)
            with rng.child("weights").seeds_torch():
                self.net.restart()
            able = settings.weight_identity and getattr(own, "differentiable", False)
            stages = staged(settings.draw_steps, settings.identity_from, pixels, both if able else None)
            budget = TrainSettings(settings.draw_steps, settings.draw_batch, settings.draw_lr)
            read = lambda index, _: self.standardize(z[index].to(context.device))  # noqa: E731
            learn_to_draw(self.net, Recipe(read, stages, budget), len(z), context, rng, "drawing embeddings")
            return self.state_dict()

        mine = {key: value for key, value in asdict(settings).items() if key in RegeneratorSettings.__annotations__}
        as_kept(self, context.keep("regenerator", mine | {"pairs": len(z), "space": space}, make))
