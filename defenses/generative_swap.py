"""Generative swap: the base code of the picture with the details of somebody else, drawn by the shared autoencoder.

No paper of its own: what a face swap does, as far as the small autoencoder of `bench/zoo/style_autoencoder.py` parts
shape (the base code F) from details (W+). Pose, background and outline stay; the rest is another person's of the train
split, drawn afresh for every picture. Fidelity: baseline.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.faces import resize
from ..bench.core.nets.style_autoencoder import StyleAutoencoder
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Goal, Secret, Surface
from ..bench.zoo.style_autoencoder import StyleSettings, style_autoencoder, styles
from .base import Defense
from .latent import at_size_of, check_budgets, first_photographs


@register_defense("generative-swap")
class GenerativeSwap(Defense):
    """Each picture is redrawn with the details of a person of the train split."""

    label = "generative swap"
    protects = Surface.IMAGE
    goal = Goal.ANONYMIZE
    secrets = frozenset({Secret.SAMPLE})
    claims = "The published picture shows the same scene and nobody who is in it."
    Settings = StyleSettings
    settings: StyleSettings
    net: StyleAutoencoder

    def _build(self, context: FitContext) -> None:
        check_budgets(self.name, self.settings)
        faces = context.faces("generative-swap takes the details of other people from the train split", 2)
        object.__setattr__(self, "net", style_autoencoder(faces, context, self.settings))
        self.donors = styles(self.net, faces, first_photographs(faces))  # (people, 9, dim)

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) in [0, 1]; whose details, the sample secret says."""
        u = secret.sample.child("generative-swap").uniform(secret.ids)
        w = self.donors[(u * len(self.donors)).long().to(self.donors.device)]
        with torch.no_grad():
            base = self.net.encode(resize(images, self.net.size))[1]
            return at_size_of(images, self.net.generator.details(base, w))
