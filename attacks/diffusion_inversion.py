"""Conditional diffusion: faces drawn from noise by a denoiser that reads the template, black box, no identity loss.

ID3PM: Kansy et al., "Controllable Inversion of Black-Box Face Recognition Models via Diffusion", ICCV workshops 2023
(arXiv 2303.13006). To invert a recogniser is to draw from p(x | f(x) = t), and a diffusion model conditioned on f(x)
learns that from pairs. With e standard normal, x_s = alpha_s x + sigma_s e a picture under noise of level s, and t the
standardised template, left out (zeros) for a share ``dropped`` of the pairs, the loss is DDPM's
    mean |d(x_s, s, t) - e|^2        (``predict = "noise"``, the paper's)
    mean |d(x_s, s, t) - v|^2, v = alpha_s e - sigma_s x        (``"velocity"``, the default: it learns in fewer steps).
Pictures are drawn by DDIM with classifier-free guidance, d(., 0) + guidance (d(., t) - d(., 0)), from noise of the
victim's own. The recogniser is asked about the public pictures only, unless ``choice`` is ``leak``.
No number of the paper is quoted here: its tables were not at hand.

Differs from the paper: a small network and few steps by default (`bench/core/nets/denoiser.py`; the settings name the
full form, for a GPU); pictures are scaled to the resolution of the track, where the paper has a second diffusion model
for super-resolution. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.errors import InputError
from ..bench.core.faces import resize
from ..bench.core.leaks import Leak
from ..bench.core.nets.denoiser import Denoiser
from ..bench.core.nets.diffusion import TIMES, Diffusion, Predict, Schedule, guided
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.seeding import presentation_ids
from ..bench.core.training import Batch, TrainSettings, train
from .decoder import Decoder


@dataclass(frozen=True)
class DiffusionInversionSettings:
    """Network, training and sampler; the defaults are the small form for a CPU."""

    side: int = 64  # pixels of the pictures it draws; paper: 64
    patch: int = 4  # side of the squares stacked as channels, pixels; 1 = the usual network, for a GPU
    width: int = 48  # channels at the finest scale, at least 3 patch^2; GPU: 64, 21 M parameters with 3 levels
    levels: int = 2  # halvings of the side; GPU: 3
    schedule: Schedule = "cosine"  # of the noise
    predict: Predict = "velocity"  # what the network says; paper: noise
    steps: int = 800  # optimiser steps; GPU: 100,000 and more
    batch: int = 64  # pairs per step
    lr: float = 1e-3  # peak learning rate; GPU: 1e-4
    ema: float = 0.99  # decay of the averaged weights, which draw; GPU: 0.9999
    # Noise levels are drawn as u^(1 / emphasis), u uniform: mostly those at which it is decided who is seen.
    emphasis: float = 3.0  # 1 = all alike, as in the paper
    dropped: float = 0.1  # share of pairs shown without their template [0, 1)
    levels_visited: int = 25  # sampler steps, of 1000 noise levels
    guidance: float = 2.0  # 0 ignores the template, 1 is the plain conditional model
    samples: int = 1  # pictures drawn per victim; one is handed in
    # Of several: ``typical``, the one nearest to their mean; ``leak``, the one that leaks what leaked, each a query.
    choice: Literal["typical", "leak"] = "typical"


@register_attack("diffusion-inversion")
class DiffusionInversion(Decoder):
    """Template -> picture, drawn from noise by a conditional diffusion model."""

    paper = "Kansy et al., ICCV workshops 2023 (ID3PM, arXiv 2303.13006)"
    Settings = DiffusionInversionSettings
    settings: DiffusionInversionSettings
    net: Denoiser

    def _build(self, context: AttackContext) -> None:
        self._need(plane=False)
        s = self.settings
        if not 0 <= s.dropped < 1 or s.emphasis < 1 or s.guidance < 0 or s.samples < 1:
            raise InputError(
                "diffusion-inversion: dropped must lie in [0, 1), emphasis and samples be 1 or more and guidance 0 or "
                f"more, got {s.dropped}, {s.emphasis}, {s.samples} and {s.guidance}."
            )
        if s.dropped == 0 and s.guidance != 1:
            raise InputError(
                "diffusion-inversion: with dropped = 0 the network never learns what it would draw without a template; "
                f"set guidance = 1 (it is {s.guidance}) or dropped above 0."
            )
        self.net = Denoiser(self.standardize.shape[0], s.side, s.width, s.levels, s.patch)
        self.process = Diffusion(s.schedule, s.predict, s.levels_visited)

    def _fit(self, context: AttackContext) -> None:
        s, rng = self.settings, context.rng

        def loss(batch: Batch) -> Tensor:
            ids = presentation_ids(context.public.ids[batch.index], batch.presentation)
            x = 2 * context.public.resized(batch.index, s.side).to(context.device) - 1  # (B, 3, side, side)
            noise = rng.child("noise").normal(ids, (3, s.side, s.side)).to(x.device)
            t = (rng.child("level").uniform(ids) ** (1 / s.emphasis) * TIMES).long().to(x.device)
            shown = (rng.child("dropped").uniform(ids) >= s.dropped).to(x.device)
            z = self._examples(batch, context) * shown[:, None]
            said = self.net(self.process.noised(x, noise, t), t, z)
            return F.mse_loss(said.float(), self.process.target(x, noise, t))

        n = context.target.pair_budget
        budget = TrainSettings(s.steps, s.batch, s.lr, ema=s.ema)
        self.log = train(self.net, loss, n, budget, rng=rng, progress=context.progress, title=self.name)

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        drawn = [self._draw(leak, presentation_ids(ids, k), context) for k in range(self.settings.samples)]
        images = torch.stack(drawn, dim=1)  # (N, samples, 3, s, s)
        chosen = self._choose(images, leak, index, context)
        return Recovery(images[torch.arange(len(images), device=images.device), chosen])

    def _draw(self, leak: Leak, ids: Tensor, context: AttackContext) -> Tensor:
        """(N, 3, s, s), one picture per victim, out of the noise of ``ids``."""
        s, z = self.settings, self.inputs(leak)
        noise = context.rng.child("drawn").normal(ids, (3, s.side, s.side)).to(z.device)
        x = self.process.sample(guided(self.net, z, s.guidance), noise)
        return resize((x + 1) / 2, context.resolution)

    def _choose(self, images: Tensor, leak: Leak, index: Tensor, context: AttackContext) -> Tensor:
        """(N,) int64: which of each victim's pictures (N, samples, 3, s, s) is handed in."""
        count = images.shape[1]
        if self.settings.choice == "typical" or count == 1:
            return (images - images.mean(1, keepdim=True)).square().flatten(2).sum(2).argmin(1)
        found = self.inputs(context.target.query(images.flatten(0, 1), index.repeat_interleave(count)))
        wanted = self.inputs(leak).repeat_interleave(count, 0)
        return F.cosine_similarity(found, wanted, dim=1).reshape(-1, count).argmax(1)
