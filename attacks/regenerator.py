"""From an embedding in the adversary's own space to a picture: learnt once, whatever is attacked.

What an adversary does who has a person's embedding and wants to see the face. The embeddings are those of a public
recogniser (the surrogate), so nothing of the attacked system is needed to learn it.
Loss: mean |y - x| + 0.3 (1 - SSIM), the decoder of ``decoder.py`` without its feature term.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from ..bench.core.context import AttackContext, Weights, as_kept
from ..bench.core.nets.decoder import UpDecoder
from ..bench.core.nets.ssim import ssim_map
from ..bench.core.nets.standardize import Standardize
from ..bench.core.seeding import Rng
from ..bench.core.training import Batch, TrainSettings, train


@dataclass(frozen=True)
class RegeneratorSettings:
    """Size and budget of the decoder."""

    draw_width: int = 96  # channels at 4x4
    draw_steps: int = 1000  # optimiser steps
    draw_batch: int = 64  # pairs per step
    draw_lr: float = 3e-3  # peak learning rate
    weight_ssim: float = 0.3  # of (1 - SSIM)


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
        self.net = UpDecoder(dim, size, width)

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
        rng = Rng(context.rng.seed, "regenerator", space)

        def loss(batch: Batch) -> Tensor:
            x = context.public.resized(batch.index, context.resolution).to(context.device)
            y = self(z[batch.index].to(context.device))
            return (y - x).abs().mean() + settings.weight_ssim * (1 - ssim_map(y, x).mean())

        def make() -> Weights:
            self.standardize.fit(z)
            with rng.child("weights").seeds_torch():
                self.net.apply(_restart)
            budget = TrainSettings(settings.draw_steps, settings.draw_batch, settings.draw_lr)
            train(self, loss, len(z), budget, rng=rng, progress=context.progress, title="drawing embeddings")
            return self.state_dict()

        mine = {key: value for key, value in asdict(settings).items() if key in RegeneratorSettings.__annotations__}
        as_kept(self, context.keep("regenerator", mine | {"pairs": len(z), "space": space}, make))


def _restart(module: nn.Module) -> None:
    """First weights anew: they must not depend on the networks built before, since the result is shared."""
    reset = getattr(module, "reset_parameters", None)
    if reset is not None:
        reset()
