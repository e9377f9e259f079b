"""AdvFace: adversarial noise on the stored template, aimed at the network that would turn it into a picture.

Wang et al., "Privacy-Preserving Adversarial Facial Features", CVPR 2023, pp. 8212-8221. The server trains a shadow
model S, a decoder from template to picture that imitates the attacker's, and stores z + d instead of z, where d moves S
as far as a small ball allows. The recogniser is untouched, and so is the probe; templates are compared by cosine.
Shadow: min E |S(f(x)) - x|_1 on the train split. Noise: projected gradient ascent, |d_k| <= eps std(z_k), from a random
start in a tenth of the ball (from 0 the direct form would never move: its gradient there is exactly 0), of
  direct  |S(z + d) - S(z)|^2
  cycle   |S(z_s) - x_s|^2, x_s = S(z + d), z_s = f(x_s): shadow image, shadow feature, reconstructed image, as the
          caption of the paper's figure 2 has it; needs gradients through the recogniser

Re-implementation, simplified: there is no public code and the paper's text could not be read, only its abstract and
that caption; the other published figures are a re-implementation too (MinusFace, CVPR 2024). Eps, steps, step size,
the shadow's shape and the squared distance are ours; the published method acts on a feature map, for which see
``advface-map``. Trained against it, an attacker undoes most of it (MinusFace's finding): `denoiser-decoder`.
The shadow is small (1.1 M multiply-adds at the default; 32 pixels and 48 channels moved another decoder of 64 pixels no
further and cost three times as much), because every template costs ``steps`` passes forth and back, and an adaptive
attacker enrols its pictures anew for every epoch; `protect_ms` on the board says what one costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.nets.decoder import UpDecoder
from ..bench.core.nets.latent_noise import Objective, objective, protected
from ..bench.core.nets.standardize import Standardize
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Secret, Surface
from ..bench.core.training import Batch, TrainSettings, train
from .base import Defense


@dataclass(frozen=True)
class AdvFaceSettings:
    """Strength of the noise and size of the shadow; none of the paper's values could be read."""

    eps: float = 0.5  # radius of the ball, standard deviations of each coordinate
    steps: int = 10  # gradient steps of 2.5 eps / steps
    mode: Literal["direct", "cycle"] = "direct"  # what the noise increases, see above
    renormalize: bool = True  # store a unit vector, as the recogniser gives; scores are the same either way
    size: int = 16  # side of the shadow's picture, pixels; a multiple of 8
    width: int = 32  # channels of the shadow at 4x4
    shadow_steps: int = 600  # optimiser steps of the shadow
    shadow_batch: int = 64  # pictures per step
    shadow_lr: float = 3e-3  # peak, AdamW, one cycle


@register_defense("advface")
class AdvFace(Defense):
    """z + d: the noise that a decoder of the server's own minds most."""

    protects = Surface.TEMPLATE
    secrets = frozenset({Secret.SAMPLE})
    fidelity = Fidelity.SIMPLIFIED
    paper = "Wang et al., CVPR 2023"
    paper_value = "re-implemented by MinusFace: LFW 98.45 % (undefended 99.77), recovery SSIM .85, PSNR 21.63 dB"
    paper_source = "MinusFace, CVPR 2024, table 1 and figure 6(c); AdvFace's own tables could not be read"
    claims = "No reconstruction network turns the stored template into the face, and recognition stays accurate."
    Settings = AdvFaceSettings
    settings: AdvFaceSettings
    shadow: UpDecoder
    standardize: Standardize

    def _build(self, context: FitContext) -> None:
        s, recognizer = self.settings, context.recognizer
        if s.eps <= 0 or s.steps < 1:
            raise InputError(
                f"advface: eps must be positive and steps >= 1, got {s.eps} and {s.steps}; no noise is `none`."
            )
        if s.size < 16 or s.size % 8:
            raise InputError(f"advface: size must be a multiple of 8, at least 16, got {s.size}.")
        if s.mode == "cycle" and not getattr(recognizer, "differentiable", True):
            raise InputError(
                "advface: mode 'cycle' needs gradients through the recogniser, and this one is forward only; use mode "
                "'direct', or supply torch or safetensors weights."
            )
        dim = int(recognizer.dim)  # type: ignore[arg-type]
        self.standardize = Standardize(torch.zeros(2, dim))
        self.shadow = UpDecoder(dim, s.size, s.width)

    def _fit(self, context: FitContext) -> None:
        s, faces = self.settings, context.faces("advface trains a shadow decoder")
        z = context.embeddings()  # (n, D)
        self.standardize.fit(z)

        def loss(batch: Batch) -> Tensor:
            x = faces.resized(batch.index, s.size).to(context.device)
            return (self.shadow(self.standardize(z[batch.index.to(z.device)])) - x).abs().mean()

        budget = TrainSettings(s.shadow_steps, s.shadow_batch, s.shadow_lr)
        title, n = "advface: shadow", len(faces)
        self.log = train(self.shadow, loss, n, budget, rng=context.rng, progress=context.progress, title=title)

    def enroll(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """(N, D) -> (N, D) z + d."""
        draw = secret.sample.child("advface").uniform(secret.ids.cpu(), (embeddings.shape[1],))
        s = self.settings
        stored = protected(embeddings, draw, self.standardize, self.increased(), s.eps, s.steps)
        return F.normalize(stored, dim=1) if s.renormalize else stored

    def increased(self) -> Objective:
        """What the noise makes large; of standardised embeddings."""
        return objective(self.settings.mode, self.shadow, lambda x: self.standardize(self.recognizer(x)))
