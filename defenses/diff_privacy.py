"""Diff-Privacy: a face is drawn anew by a latent diffusion model, so that nobody knows it, or only machines do.

He, Zhu, Chen, Wang and Gao, "Diff-Privacy: Diffusion-based Face Privacy Protection", TCSVT (arXiv 2309.05330). Who sees
what: anybody sees the published picture; `diff-privacy` (anonymise) is to fail people and machines, `diff-privacy-hide`
people only. Whoever holds the key is to get the original back.
Conditions: multi-scale image inversion (`bench/core/nets/multiscale.py`) makes C_0 .. C_9 of a picture, one for each
tenth of the noise levels t in [0, 1].
Publishing: the code z_0 of the picture x is put under fresh noise of level ``strength``, and DDIM draws a code from
there, under C_b while t >= ``conditioned_above`` and without a condition below. After every step
    z_(t-1) <- z_(t-1) - energy dE / dz_0        z_0: the code that z_t is taken for, D(z_0) its picture
    E = mean_f max(cos(f(D(z_0)), f(x)), 0)      anonymise      f: the protectors' recognisers
    E = mean_f (1 - cos(f(D(z_0)), f(x)))        hide
Key: key-I, z_1 by DDIM inversion of z_0 under C_b, and key-E, the C_b. Recovery: DDIM from key-I under key-E. It never
reads the published picture: the key is another copy of the original.

Differs from the paper: a small latent diffusion model (`bench/zoo/latent_diffusion.py`) of the train split for Stable
Diffusion, and weights of the energy for its codes; its conditions come from layers of the first of the protectors'
recognisers, and are learnt with it, for all pictures, where the paper learns them for each person after it. Anonymised
faces get no term that keeps several of them apart: each picture is published once. The background is not pasted back:
that takes a parser of faces. All of the protectors' recognisers guide, where the paper has one for each mode.
Fidelity: simplified.
The paper's own number is of the geometry, not of privacy: boxes around faces move by 5.83 pixels (CelebA-HQ, MTCNN), as
a later paper quotes it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.leaks import Leak
from ..bench.core.nets.diffusion import Guide
from ..bench.core.nets.latent_diffusion import LatentDiffusion
from ..bench.core.nets.latent_noise import in_rows
from ..bench.core.nets.multiscale import Stages
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Goal, Secret, Surface
from ..bench.zoo.latent_diffusion import LatentDiffusionSettings, latent_diffusion
from .base import Defense


@dataclass(frozen=True)
class AnonymizeSettings(LatentDiffusionSettings):
    """How pictures are redrawn; the paper's values where nothing else is said."""

    levels: int = 50  # DDIM steps from noise alone; fewer by ``strength``
    strength: float = 0.6  # level of the noise that a picture is put under (0, 1]
    conditioned_above: float = 0.4  # levels that have a condition [0, 1]
    guidance: float = 1.0  # classifier-free, of the condition; 1 = none
    energy: float = 4.0  # weight of the energy's gradient; paper: 1, with Stable Diffusion's codes
    key_levels: int = 100  # DDIM steps of inversion and of recovery
    key_rounds: int = 1  # questions at each step of the inversion, `Diffusion.invert`


@dataclass(frozen=True)
class HideSettings(AnonymizeSettings):
    """The same with the paper's values for hiding."""

    levels: int = 100
    strength: float = 0.8
    conditioned_above: float = 0.6
    guidance: float = 1.5
    energy: float = 6.0  # paper: 1, with Stable Diffusion's codes


class _DiffPrivacy(Defense, ABC):
    """What both modes share; they differ in their energy and in how much they redraw."""

    protects = Surface.IMAGE
    secrets = frozenset({Secret.SAMPLE})
    slow = True
    uses_surrogates = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "He et al., TCSVT (arXiv 2309.05330)"
    paper_value = "bounding-box distance 5.83 (anonymisation, CelebA-HQ, MTCNN)"
    paper_source = "quoted by a later paper"
    settings: AnonymizeSettings
    diffusion: LatentDiffusion

    def _build(self, context: FitContext) -> None:
        s = self.settings
        if not 0 < s.strength <= 1 or not 0 <= s.conditioned_above <= 1:
            raise InputError(
                f"{self.name}: strength must lie in (0, 1] and conditioned_above in [0, 1], got {s.strength} and "
                f"{s.conditioned_above}."
            )
        if min(s.guidance, s.energy) < 0 or s.key_rounds < 1:
            raise InputError(
                f"{self.name}: guidance and energy must not be negative and key_rounds be 1 or more, got {s.guidance}, "
                f"{s.energy} and {s.key_rounds}."
            )
        faces = context.faces(f"{self.name} trains a latent diffusion model")
        # In a tuple, so that recognisers are no part of this module.
        self.protectors = context.need_surrogates(f"{self.name} is guided by recognisers of the protector's")
        self.stages = Stages(self.protectors[0])
        self.diffusion = latent_diffusion(faces, context, s, self.stages)
        self.drawing, self.keeping = self.diffusion.process(s.levels), self.diffusion.process(s.key_levels)

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) -> each face drawn anew under noise of its own, at the size of the original."""
        noise = secret.sample.child("diff-privacy").normal(secret.ids, self.diffusion.shape).to(images.device)
        return _sized(in_rows(self._draw, images, noise), images)

    def make_key(self, images: Tensor, secret: SecretDraw) -> Leak:
        """key-I, ``noise`` (N, C, h, w) of the size of a code, and key-E, ``embeddings`` (N, 10, condition_dim)."""
        embeddings = in_rows(self.embeddings, images)
        return {"noise": in_rows(self._invert, images, embeddings), "embeddings": embeddings}

    def recover(self, published: Tensor, key: Leak) -> Tensor:
        """The originals, as far as codes hold them. Of ``published`` only the size is read.

        Raises:
            InputError: the key has not both parts.
        """
        if not isinstance(key, dict) or set(key) != {"noise", "embeddings"}:
            seen = sorted(key) if isinstance(key, dict) else f"a tensor of shape {tuple(key.shape)}"
            raise InputError(f"{self.name}: a key is a dict of noise and embeddings, as make_key gives it, got {seen}.")
        return _sized(in_rows(self._redraw, key["noise"], key["embeddings"]), published)

    def round_trip(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> what the autoencoder makes of its own codes of them."""
        return _sized(in_rows(lambda part: self.diffusion.decode(self.diffusion.encode(part)), images), images)

    def embeddings(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 10, condition_dim), what the first protector's layers say for each tenth of the noise."""
        return self.diffusion.embeddings(self.stages(images), len(images))

    def _draw(self, images: Tensor, noise: Tensor) -> Tensor:
        s = self.settings
        model = self.diffusion.steered(self.embeddings(images), s.conditioned_above, s.guidance)
        guide = self._guide(images) if s.energy else None
        return self.diffusion.redrawn(images, noise, self.drawing, s.strength, model, guide)

    def _guide(self, images: Tensor) -> Guide:
        """Code -> ``energy`` times the gradient of the energy at it, each picture's own."""
        originals = [protector(images) for protector in self.protectors]

        def guide(z: Tensor) -> Tensor:
            with torch.enable_grad():
                z = z.detach().requires_grad_()
                drawn = self.diffusion.decode(z)
                cosines = [
                    F.cosine_similarity(protector(drawn), original, dim=1)
                    for protector, original in zip(self.protectors, originals, strict=True)
                ]
                energy = self._energy(torch.stack(cosines)).mean(0)  # (N,)
                (gradient,) = torch.autograd.grad(energy.sum(), z)
            return self.settings.energy * gradient

        return guide

    @abstractmethod
    def _energy(self, cosines: Tensor) -> Tensor:
        """Cosines of the drawn to the original picture -> what guidance makes small, of the same shape."""

    def _invert(self, images: Tensor, embeddings: Tensor) -> Tensor:
        model = self.diffusion.steered(embeddings)
        return self.keeping.invert(model, self.diffusion.encode(images), self.settings.key_rounds)

    def _redraw(self, noise: Tensor, embeddings: Tensor) -> Tensor:
        return self.diffusion.decode(self.keeping.sample(self.diffusion.steered(embeddings), noise))


@register_defense("diff-privacy")
class DiffPrivacy(_DiffPrivacy):
    """Each face is redrawn as one that recognisers take for somebody else; a key gives it back."""

    label = "Diff-Privacy (anonymise)"
    goal = Goal.ANONYMIZE
    claims = "Neither people nor recognisers find the person behind a published face; its key gives the original back."
    Settings = AnonymizeSettings

    def _energy(self, cosines: Tensor) -> Tensor:
        return cosines.clamp(min=0)


@register_defense("diff-privacy-hide")
class DiffPrivacyHide(_DiffPrivacy):
    """Each face is redrawn as another to the eye, whom recognisers take for the same; a key gives it back."""

    label = "Diff-Privacy (hide)"
    goal = Goal.HIDE
    claims = "People do not know a published face, and recognisers do; its key gives the original back."
    Settings = HideSettings

    def _energy(self, cosines: Tensor) -> Tensor:
        return 1 - cosines


def _sized(drawn: Tensor, like: Tensor) -> Tensor:
    """(N, 3, s, s) at the size of ``like``, (N, 3, H, W)."""
    if drawn.shape == like.shape:
        return drawn
    return F.interpolate(drawn, like.shape[-2:], mode="bilinear", antialias=True).clamp(0, 1)
