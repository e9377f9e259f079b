"""Purification: wash a published or sent picture, and see whom a recogniser then sees in it.

Cloaks and other perturbations of the picture promise that recognisers fail on it; the oldest answer is to take off what
a face does not have. Methods, as settings:
  jpeg      stored and read again at ``quality``;
  blur      averaged over squares, then sharp edges are gone and with them most perturbations;
  resize    made smaller by ``scale`` and large again;
  denoise   by a network that learnt to take Gaussian noise off public faces: Zhang et al., "Beyond a Gaussian Denoiser"
            (DnCNN), TIP 2017; fewer layers here (`bench/zoo/denoiser.py`);
  project   onto the shared face prior (`bench/zoo/prior.py`): encoded and drawn anew, and only a face survives that;
  diffuse   put under noise of ``level``, which drowns what is small, and drawn from there by a diffusion model of
            faces: Nie et al., "Diffusion Models for Adversarial Purification" (DiffPure), ICML 2022. They diffuse
            pixels and solve a stochastic equation; here it is DDIM with the small latent model of the adversary's
            public faces (`bench/zoo/latent_diffusion.py`), without conditions, or with a published model of yours, of
            pixels or of codes (``diffusion``, `bench/zoo/published_diffusion.py`).
The result is identified like any other recovery. Small on purpose: what a JPEG takes off was no protection.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.errors import InputError, NotApplicable
from ..bench.core.faces import resize
from ..bench.core.leaks import Leak
from ..bench.core.nets.dncnn import DnCnn
from ..bench.core.nets.latent_diffusion import CodedDiffusion
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Fidelity, Surface
from ..bench.zoo.denoiser import DenoiserSettings, denoiser
from ..bench.zoo.latent_diffusion import LatentDiffusionSettings, latent_diffusion
from ..bench.zoo.prior import FacePrior, PriorSettings, UsesPrior, face_prior
from ..bench.zoo.published_diffusion import diffusion_digest, published_diffusion
from .base import Attack


@dataclass(frozen=True)
class PurificationSettings(LatentDiffusionSettings, PriorSettings, DenoiserSettings):
    """How the picture is washed."""

    method: Literal["jpeg", "blur", "resize", "denoise", "project", "diffuse"] = "jpeg"
    quality: int = 50  # of the JPEG, 1 to 95
    squares: int = 3  # side of the blur's squares, pixels, odd
    scale: float = 0.5  # side of the smaller picture / side, (0, 1)
    level: float = 0.3  # of the noise, share of its 1000 levels (0, 1]
    level_steps: int = 50  # DDIM steps from noise alone; fewer by ``level``
    diffusion: str = ""  # folder of a diffusion model that diffusers has saved; empty = the small latent one


@register_attack("purification")
class Purification(UsesPrior, Attack):
    """Picture -> picture without what a face does not have."""

    surfaces = frozenset({Surface.IMAGE, Surface.WIRE})
    fidelity = Fidelity.SIMPLIFIED  # an attack, not a floor: boards look for the strongest among these
    paper = "Nie et al., ICML 2022 (diffuse); Zhang et al., TIP 2017 (denoise)"
    Settings = PurificationSettings
    settings: PurificationSettings
    prior: FacePrior
    model: CodedDiffusion
    net: DnCnn

    def describe(self) -> dict[str, Any]:
        """As in the base class, and the digest of the diffusion model where a path is given."""
        path = self.settings.diffusion
        return super().describe() | ({"diffusion": diffusion_digest(path)} if path else {})

    def _fit(self, context: AttackContext) -> None:
        s = self.settings
        if not 1 <= s.quality <= 95 or s.squares < 1 or s.squares % 2 == 0:
            raise InputError(
                f"purification: quality must lie in 1..95 and squares be odd, got {s.quality} and {s.squares}."
            )
        if not 0 < s.level <= 1:
            raise InputError(f"purification: level must lie in (0, 1], got {s.level}.")
        if not 0 < s.scale < 1:
            raise InputError(f"purification: scale must lie in (0, 1), got {s.scale}.")
        if s.method == "denoise":
            object.__setattr__(self, "net", denoiser(context, s))
        if s.method == "diffuse":
            given = published_diffusion(s.diffusion, context) if s.diffusion else None
            object.__setattr__(self, "model", given or latent_diffusion(context.public, context, s))
        if s.method == "project":
            object.__setattr__(self, "prior", face_prior(context, s, encodes=True))

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        if isinstance(leak, dict) or leak.ndim != 4 or leak.shape[1] != 3:
            raise NotApplicable("purification washes pictures of three channels, and this leak is none.")
        images = leak.float().clamp(0, 1)
        if self.settings.method == "jpeg":
            return Recovery(torch.stack([stored(one, self.settings.quality) for one in images]))
        if self.settings.method == "blur":
            k = self.settings.squares
            return Recovery(F.avg_pool2d(F.pad(images, (k // 2,) * 4, mode="replicate"), k, stride=1).clamp(0, 1))
        if self.settings.method == "resize":
            side = images.shape[-1]
            return Recovery(resize(resize(images, max(1, round(self.settings.scale * side))), side))
        if self.settings.method == "denoise":
            return Recovery(self.net(images))
        if self.settings.method == "diffuse":
            return Recovery(self._diffused(images, context.rng.child("diffuse").normal(ids, self.model.shape)))
        return Recovery(self.prior(self.prior.encode(resize(images, self.prior.size))[0]))

    def _diffused(self, images: Tensor, noise: Tensor) -> Tensor:
        """(N, 3, side, side), drawn from the pictures under ``noise``, and no larger than they."""
        model, s = self.model, self.settings
        drawn = model.redrawn(images, noise.to(images.device), model.process(s.level_steps), s.level, model.free())
        return resize(drawn, min(drawn.shape[-1], images.shape[-1]))


def stored(image: Tensor, quality: int) -> Tensor:
    """(3, H, W) in [0, 1] as it reads back from a JPEG file."""
    pixels = (image * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    again = np.asarray(Image.open(file)).copy()
    return torch.from_numpy(again).permute(2, 0, 1).to(image.device).float() / 255
