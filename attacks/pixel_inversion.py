"""Pixel inversion: gradient descent on the picture itself until its embedding is the leaked one.

Mahendran and Vedaldi, CVPR 2015 (feature match, total variation, a norm that keeps pixels in range); Zhmoginov and
Sandler, arXiv 1606.04189 (a guiding picture, without which the optimum is noise to the eye). White box, no training:
    1 - cos(f(x), t) + w_tv TV(x) + w_range |2 x - 1|_6 + w_guide mean |blur(x) - blur(guide)|
with the guide the public face whose embedding is nearest to the leak. The harness scores the result under the attacked
recogniser, which such pictures satisfy best, and under an independent one, where the gap of transfer shows.
Matches the leak as if it were an embedding: against a defended template it is an oblivious attack.
Differs from the papers: Adam, cosine in place of the squared distance, weights for [0, 1] pixels at 64. Fidelity:
simplified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.errors import InputError
from ..bench.core.leaks import Leak
from ..bench.core.nets.latent_noise import ROWS, padded
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Fidelity, Surface
from ..bench.core.threat import RecognizerAccess, ThreatModel
from .base import Attack


@dataclass(frozen=True)
class PixelInversionSettings:
    """Budget and weights."""

    steps: int = 300  # gradient steps per victim
    lr: float = 0.02  # Adam, on pixels
    weight_tv: float = 0.2  # of the mean absolute difference of neighbours
    weight_range: float = 1e-3  # of the mean of |2 x - 1|^6
    weight_guide: float = 1.0  # of the distance to the guide, both blurred
    guide: Literal["nearest", "mean"] = "nearest"  # public face the picture begins with and stays near
    blur: int = 8  # the blur averages squares of this side, pixels


@register_attack("pixel-inversion")
class PixelInversion(Attack):
    """Embedding -> picture by gradients of the attacked recogniser."""

    threat = ThreatModel(recognizer=RecognizerAccess.WHITE_BOX)
    surfaces = frozenset({Surface.TEMPLATE})
    fidelity = Fidelity.SIMPLIFIED
    paper = "Mahendran and Vedaldi, CVPR 2015; Zhmoginov and Sandler, arXiv 1606.04189"
    Settings = PixelInversionSettings
    settings: PixelInversionSettings
    batch = 64

    def _fit(self, context: AttackContext) -> None:
        s = self.settings
        if s.steps < 1 or s.lr <= 0 or s.blur < 1:
            raise InputError(f"pixel-inversion: steps, lr and blur must be positive, got {s.steps}, {s.lr}, {s.blur}.")
        self.keys = context.target.public_embeddings()  # (n, D)

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        wanted = self._as_embedding(leak, self.keys.shape[1])
        guide = self._guides(wanted, context)
        found = [
            self._descend(padded(guide[i : i + ROWS]), padded(wanted[i : i + ROWS]), context)[: len(guide) - i]
            for i in range(0, len(guide), ROWS)
        ]
        return Recovery(torch.cat(found))

    def _descend(self, guide: Tensor, wanted: Tensor, context: AttackContext) -> Tensor:
        """Always of ``ROWS`` pictures: kernels round differently for other batch sizes, and a search amplifies that."""
        recognizer, s, coarse = context.target.recognizer, self.settings, self._blur(guide)
        x = guide.clone().requires_grad_()
        optimizer = torch.optim.Adam([x], s.lr)
        with torch.enable_grad():
            for _ in range(s.steps):
                match = 1 - F.cosine_similarity(recognizer(x), wanted, dim=1)
                near = (self._blur(x) - coarse).abs().flatten(1).mean(1)
                extreme = (2 * x - 1).pow(6).flatten(1).mean(1)
                value = match + s.weight_tv * variation(x) + s.weight_range * extreme + s.weight_guide * near
                (x.grad,) = torch.autograd.grad(value.sum(), x)
                optimizer.step()
                with torch.no_grad():
                    x.clamp_(0, 1)
        return x.detach()

    def _guides(self, wanted: Tensor, context: AttackContext) -> Tensor:
        """(N, 3, s, s) what the search begins with."""
        side = context.resolution
        if self.settings.guide == "mean":
            mean = context.public.resized(torch.arange(min(512, len(context.public))), side).mean(0)
            return mean.expand(len(wanted), -1, -1, -1).to(wanted.device)
        nearest = (wanted @ self.keys.to(wanted.device).T).argmax(1)
        return context.public.resized(nearest.cpu(), side).to(wanted.device)

    def _blur(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, min(self.settings.blur, x.shape[-1]))

    keys: Tensor


def variation(x: Tensor) -> Tensor:
    """(N,) mean absolute difference of neighbouring pixels."""
    down, across = (x[:, :, 1:] - x[:, :, :-1]).abs(), (x[..., 1:] - x[..., :-1]).abs()
    return down.flatten(1).mean(1) + across.flatten(1).mean(1)
