"""CLIP2Protect: the picture is put into a generator, and a text-guided search of its fine styles adds an adversarial
make-up.

Shamshad, Naseer, Nandakumar, "CLIP2Protect: Protecting Facial Privacy using Text-Guided Makeup via Adversarial Latent
Search", CVPR 2023 (arXiv 2306.10008; facts from the authors' code at 2585966). Who sees what: a user publishes a
picture, an unknown recogniser looks for the person; the user has recognisers of their own and a photograph of a decoy.
0. An encoder gives w_0 in W+.
1. Pivotal tuning: a copy of the generator per picture, w_0 fixed, Adam on  LPIPS(G(w_0), x) + weight_pixels |G - x|^2.
2. Search: Adam on w, the first styles frozen (shape and identity stay), of
     weight_latent |w - w_0|^2 + weight_adversarial L_adv + weight_text L_clip,
   L_adv = sum over surrogates f of [1 - cos(f(y), f(decoy))], less [1 - cos(f(y), f(x))] where people are to be
   dodged; L_clip = InfoNCE, temperature 0.1, of directions n(v) = v / |v| between text E_T and pictures E_I, y warped:
   the query n(E_I(y) - E_I(G(w_0))); positives n(mean over templates of E_T(prompt) - E_T("face")) and n(E_T(prompt)
   - E_I(G(w_0))); negatives n(E_T("face") - E_I(G(w_0))), one per template.
Authors' settings: StyleGAN2 of FFHQ at 1024 pixels, e4e, CLIP ViT-B/32, 150 steps at 5e-4 and 50 at 0.01, 8 of 18
styles frozen, weights 0.01, 0.7 and 0.3. Published, black box, FAR 0.01, CelebA-HQ: 48.42 % of pictures pass for the
decoy before IR152, 41.72 % before FaceNet.
Differs from the paper: the small autoencoder of `bench/zoo/style_autoencoder.py`, trained on the train split, 3 of 9
styles frozen, its encoder's early maps for LPIPS, no noise maps to search; the small text-image encoder of the train
split's captions, which knows their words only, unless ``text_image`` gives a CLIP's weights; five templates of our own.
Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, vmap
from torchvision.transforms.functional import perspective

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.faces import FaceSet
from ..bench.core.nets.style_autoencoder import BASE_LAYERS
from ..bench.core.registry import register_defense
from ..bench.core.seeding import Rng
from ..bench.core.weights import weights_digest
from ..bench.zoo.text_image import TextImageEncoder, TextImageSettings, text_image
from .latent import LatentCloak, LatentSettings, Variables, descend

_TEMPLATES = ("{}.", "a face, {}.", "a person with {}.", "a picture of a face with {}.", "somebody with {}.")
_NEUTRAL = "face"
_TEMPERATURE = 0.1
_DISTORTION = 0.5  # of the warp: each corner moves inwards by up to half of this share of the side


@dataclass(frozen=True)
class Clip2ProtectSettings(TextImageSettings, LatentSettings):
    """Steps, rates and weights; authors' values are for another generator."""

    prompt: str = "lipstick"  # what the make-up is to look like; authors': "red lipstick" and the like
    search_lr: float = 0.04  # authors': 0.01; at 0.08 pictures turn muddy
    tune_steps: int = 60  # authors': 150
    tune_lr: float = 2e-3  # authors': 5e-4
    weight_pixels: float = 1.0  # authors': 0.1, beside LPIPS of VGG
    weight_latent: float = 0.002  # authors': 0.01
    weight_adversarial: float = 0.7
    weight_text: float = 0.3
    frozen: int = BASE_LAYERS  # first styles that stay, of 9; authors': 8 of 18


@register_defense("clip2protect")
class Clip2Protect(LatentCloak):
    """Tuned copies of the generator; fine styles searched for decoy and prompt."""

    label = "CLIP2Protect"
    paper = "Shamshad et al., CVPR 2023 (arXiv 2306.10008)"
    paper_value = "passes for the decoy at FAR 0.01: IRSE50 81.10 %, IR152 48.42 %, FaceNet 41.72 %, MobileFace 75.26 %"
    paper_source = "CLIP2Protect on CelebA-HQ, as quoted by arXiv 2503.10350"
    Settings = Clip2ProtectSettings
    settings: Clip2ProtectSettings
    encoder: TextImageEncoder

    def describe(self) -> dict[str, Any]:
        """As in the base class, and the digest of the CLIP's weights where a path is given."""
        path = self.settings.text_image
        return super().describe() | ({"text_image": weights_digest(path)} if path else {})

    def _prepare(self, faces: FaceSet, context: FitContext) -> None:
        s = self.settings
        if not 0 <= s.frozen < 9:
            raise InputError(f"clip2protect: frozen must lie in 0 .. 8, one style must be free; got {s.frozen}.")
        encoder = text_image(faces, context, s, "clip2protect is guided by a text and")
        unknown = encoder.unknown(s.prompt)
        if unknown or not s.prompt.strip():
            raise InputError(
                f"clip2protect: prompt = {s.prompt!r} has words that no caption of the data set has "
                f"({', '.join(unknown) or 'it is empty'}); use the captions' words, or give a CLIP as text_image."
            )
        object.__setattr__(self, "encoder", encoder)
        with torch.no_grad():
            self.wanted_text, self.neutral_text = (
                encoder.texts([template.format(text) for template in _TEMPLATES]) for text in (s.prompt, _NEUTRAL)
            )  # (templates, D) each
        self.rng = context.rng.child("warps")

    def _search(self, images: Tensor) -> Tensor:
        w = self.net.encode(images)[0]
        return self.pursue(images, w, self.tune(images, w))

    def tune(self, images: Tensor, w: Tensor) -> Variables:
        """(N, 3, s, s) and (N, 9, dim) -> weights (N, ...) of a generator for each picture, by name."""
        s, own = self.settings, {k: v.detach() for k, v in self.net.generator.named_parameters()}
        start = {name: value.expand(len(images), *value.shape) for name, value in own.items()}

        def loss(step: int, found: Variables) -> Tensor:
            y = self.drawn(found, w)
            return self.net.apart(y, images) + s.weight_pixels * (y - images).square().mean((1, 2, 3))

        return descend(loss, start, s.tune_steps, s.tune_lr)

    def drawn(self, generators: Variables, w: Tensor) -> Tensor:
        """(N, 3, s, s): each picture of (N, 9, dim) by its own generator."""
        generator = self.net.generator
        one = vmap(lambda weights, styles: functional_call(generator, weights, (styles[None],))[0])
        return one(generators, w)  # type: ignore[no-any-return]

    def pursue(self, images: Tensor, start: Tensor, generators: Variables) -> Tensor:
        """(N, 3, s, s), their styles (N, 9, dim) and generators -> (N, 3, s, s) with other fine styles."""
        s, own = self.settings, self.adversary.own(images)
        with torch.no_grad():
            before = self.encoder.images(self.drawn(generators, start))
        free = (torch.arange(start.shape[1], device=start.device) >= s.frozen).float()[:, None]

        def loss(step: int, found: Variables) -> Tensor:
            y = self.drawn(generators, found["w"])
            value = s.weight_latent * (found["w"] - start).square().sum((1, 2))
            value = value + s.weight_adversarial * self.adversary.loss(y, own).sum(0)
            after = self.encoder.images(warped(y, self.rng, step))
            return value + s.weight_text * directional(before, after, self.wanted_text, self.neutral_text)

        found = descend(loss, {"w": start}, s.search_steps, s.search_lr, {"w": free})
        return self.drawn(generators, found["w"])


def directional(before: Tensor, after: Tensor, wanted: Tensor, neutral: Tensor) -> Tensor:
    """L_clip of each picture.

    Args:
        before: (N, D) unit-norm codes of the pictures that the search starts from.
        after: (N, D) of what it has found.
        wanted: (templates, D) of the prompt.
        neutral: (templates, D) of a face.

    Returns:
        (N,): mean over two positives of -log softmax, each among itself and one negative per template.
    """
    query = F.normalize(after - before, dim=1)
    said = F.normalize((wanted - neutral).mean(0), dim=0).expand_as(query)
    meant = F.normalize(F.normalize(wanted.mean(0), dim=0) - before, dim=1)
    away = F.normalize(neutral - before[:, None], dim=2)  # (N, templates, D)
    against = (away @ query[..., None])[..., 0]  # (N, templates)
    choices = [torch.cat([(way * query).sum(1, keepdim=True), against], dim=1) for way in (said, meant)]
    return -torch.stack([(scores / _TEMPERATURE).log_softmax(1)[:, 0] for scores in choices]).mean(0)


def warped(images: Tensor, rng: Rng, number: int) -> Tensor:
    """(N, 3, s, s) seen from somewhere else, the same for all: each corner moved inwards, black outside."""
    side = images.shape[-1]
    inwards = (rng.uniform(torch.tensor([number]), (4, 2))[0] * _DISTORTION / 2 * side).tolist()
    corners = [[0, 0], [side - 1, 0], [side - 1, side - 1], [0, side - 1]]
    to = [[int(x + (dx if x == 0 else -dx)), int(y + (dy if y == 0 else -dy))] for (x, y), (dx, dy) in zip(
        corners, inwards, strict=True)]  # fmt: skip
    return perspective(images, corners, to)
