"""AdvFace on an intermediate feature map: what is uploaded and stored is a map of the recogniser, adversarially noisy.

Wang et al., CVPR 2023; the header of ``advface.py`` says what is known of the paper. According to MinusFace its
protected representation is a set of feature maps that its shadow model can turn into an image: here the recogniser is
cut after ``blocks`` residual blocks. What precedes the cut runs at the client, the noise is added to its map, and the
server runs the rest; the recogniser's weights are untouched.
Shadow: min E |S(map) - x|_1 on the train split. Noise: |d| <= eps std of the channel, projected gradient ascent as in
``advface.py``, with the recogniser's first part in place of f in the ``cycle`` form.

Re-implementation, simplified, for the same reasons. Both sides of a comparison are noisy (the paper protects what is
stored), and the cut, the shadow's shape, eps and steps are ours. Undefended systems send pictures, so no oblivious
attacker (K0) exists at this surface; an entry with a very small ``eps`` shows what the plain map leaks.
Only recognisers that are known to consist of stages can be cut: ``small-resnet``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.faces import resize
from ..bench.core.leaks import Leak, leak_shape
from ..bench.core.nets.decoder import norm, up_block
from ..bench.core.nets.latent_noise import Objective, in_rows, objective, protected
from ..bench.core.nets.resnet import ResNet
from ..bench.core.nets.standardize import Standardize
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Secret, Surface
from ..bench.core.training import Batch, TrainSettings, train
from ..bench.recognizers.trained import TrainedRecognizer
from .base import Defense


@dataclass(frozen=True)
class AdvFaceMapSettings:
    """Where the recogniser is cut, strength of the noise and size of the shadow; all ours."""

    blocks: int = 2  # residual blocks before the cut; 2 of 4 at 64 pixels: a map of 32 x 16 x 16
    eps: float = 0.25  # radius of the ball, standard deviations of each channel
    steps: int = 10  # gradient steps of 2.5 eps / steps
    mode: Literal["direct", "cycle"] = "direct"  # what the noise increases
    width: int = 24  # channels of the shadow
    doublings: int = 1  # the shadow's picture is 2^doublings times the map's side
    shadow_steps: int = 300  # optimiser steps of the shadow
    shadow_batch: int = 64  # pictures per step
    shadow_lr: float = 3e-3  # peak, AdamW, one cycle


@register_defense("advface-map")
class AdvFaceMap(Defense):
    """A feature map with the noise that a decoder of the server's own minds most."""

    protects = Surface.WIRE
    secrets = frozenset({Secret.SAMPLE})
    fidelity = Fidelity.SIMPLIFIED
    paper = "Wang et al., CVPR 2023"
    paper_value = "re-implemented by MinusFace: LFW 98.45 % (undefended 99.77), recovery SSIM .85, PSNR 21.63 dB"
    paper_source = "MinusFace, CVPR 2024, table 1 and figure 6(c); AdvFace's own tables could not be read"
    claims = "No reconstruction network turns the stored feature map into the face, and recognition stays accurate."
    Settings = AdvFaceMapSettings
    settings: AdvFaceMapSettings
    shadow: nn.Sequential
    standardize: Standardize

    def _build(self, context: FitContext) -> None:
        s = self.settings
        if s.eps <= 0 or s.steps < 1 or s.doublings < 0:
            raise InputError(f"advface-map: eps must be positive, steps >= 1 and doublings >= 0, got {s}.")
        recognizer = context.recognizer
        if not isinstance(recognizer, TrainedRecognizer) or not isinstance(recognizer.net, ResNet):
            kind = type(recognizer).__name__
            raise InputError(f"advface-map cuts a small-resnet between its stages, and {kind} is none; use `advface`.")
        most = len(recognizer.net.body) - 1
        if not 0 <= s.blocks <= most:
            raise InputError(f"advface-map: blocks must lie in 0..{most} for this recogniser, got {s.blocks}.")
        example = self.features(torch.zeros(2, 3, 16, 16, device=context.device)).cpu()
        self.standardize = Standardize(example)
        widths = [max(16, s.width >> i) for i in range(s.doublings + 1)]
        self.shadow = nn.Sequential(
            nn.Conv2d(example.shape[1], widths[0], 3, padding=1), norm(widths[0]), nn.SiLU(),
            *(up_block(a, b) for a, b in pairwise(widths)),
            nn.Conv2d(widths[-1], 3, 3, padding=1), nn.Sigmoid(),
        )  # fmt: skip
        self._example = example

    def _fit(self, context: FitContext) -> None:
        s, faces = self.settings, context.faces("advface-map trains a shadow decoder")
        side = self._example.shape[-1] << s.doublings
        self.standardize.fit(self.features(faces.images(context.some("statistics", 256)).to(context.device)))

        def loss(batch: Batch) -> Tensor:
            x = faces.images(batch.index).to(context.device)
            with torch.no_grad():
                u = self.standardize(self.features(x))
            return (self.shadow(u) - resize(x, side)).abs().mean()  # type: ignore[no-any-return]

        budget = TrainSettings(s.shadow_steps, s.shadow_batch, s.shadow_lr)
        title, n = "advface-map: shadow", len(faces)
        self.log = train(self.shadow, loss, n, budget, rng=context.rng, progress=context.progress, title=title)

    def features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, C, h, w): the recogniser up to the cut."""
        net, side = self.recognizer.net, self.recognizer.size
        if images.shape[-1] != side or images.shape[-2] != side:  # as the recogniser does, with a gradient
            images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
        return net.body[: self.settings.blocks](net.stem(2 * images.clamp(0, 1) - 1))  # type: ignore[no-any-return]

    def transmit(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) -> (N, C, h, w) map + d."""
        clean = in_rows(self.features, images)
        s = self.settings
        draw = secret.sample.child("advface").uniform(secret.ids.cpu(), tuple(clean.shape[1:]))
        return protected(clean, draw, self.standardize, self.increased(), s.eps, s.steps)

    def increased(self) -> Objective:
        """What the noise makes large; of standardised maps."""
        return objective(self.settings.mode, self.shadow, lambda x: self.standardize(self.features(x)))

    def embed(self, wire: Leak) -> Tensor:
        """(N, C, h, w) -> (N, D) unit norm: the recogniser after the cut.

        Raises:
            InputError: this is not a wire of this defence.
        """
        expected, seen = leak_shape(self._example), leak_shape(wire)
        if isinstance(wire, dict) or expected != seen:
            raise InputError(f"advface-map: the server expects a map of shape {expected}, got {seen}.")
        net = self.recognizer.net
        return F.normalize(net.head(net.body[self.settings.blocks :](wire)).float(), dim=1)
