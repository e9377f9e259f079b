"""MinusFace: send what a generator leaves of the face's frequencies, channels shuffled, decoded to a picture.

Mi et al., "Privacy-Preserving Face Recognition Using Trainable Feature Subtraction", CVPR 2024, section 3. With e the
8x up-sampled block DCT (192 channels) and d its inverse, a U-Net g learns x' = g(x), x = e(X), such that X' = d(x')
looks like X, while the residue r = x - x' still tells who it is: stage 1 minimises
    alpha mean |X - X'| + beta ArcFace(f(r), y),        X in [-1, 1], alpha = 5, beta = 1,
over g and a recogniser f that is then thrown away. d is blind to most directions of the 192 channels, hence R' = d(r)
is blank while r is not. The client sends X_p = clamp(d(shuffle(r)), 0, 1), all 192 channels in one random order that is
drawn for every picture and kept by nobody; stage 2 trains the server's recogniser on X_p under fresh orders.

d adds 128, so a zero residue is mid-grey (128/255) and X_p lies closely about it: 1.6 of 255 levels away on
average on the faces of `synthetic`: the clamp touches next to nothing, 8-bit rounding (``bits``) costs.

Why r does not collapse to 0: behind f's first batch norm ArcFace does not see how large r is, so nothing in the loss
holds r up. What does is the start (``subtract``): g repeats the block means and, of the other coefficients, the least
that d needs to get the picture right. r begins as all the rest, which d does not see at all, and the U-Net learns what
to take away or add. Started at the identity, r would stay as small as it began, and so would X_p. The start carries
most of the result: X' is at 54 dB after the 80 steps of `synthetic` (of the paper's start, 0, no such run was made).

Differs from the paper: that start, which is computed and not learnt; the U-Net works on channels divided by their root
mean square on the train split (their scales span 10^4), has width 8 and 3 levels for 64 pixels (released code: 64 and
4); f is a network like the server's and reads r divided likewise; by default AdamW for minutes instead of 24 epochs of
MS1Mv2 by SGD; server of `defenses/wire.py`, a network of its own under `distill` too. Rounding X_p is ours. Fidelity:
simplified.
The paper's own figures: LFW 99.78 % (undefended 99.77; table 1), recovery SSIM .50, PSNR 10.98 (figure 6c); CFP-FP
98.27 on r, 53.85 on R', 96.92 on X_p (table 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.faces import FaceSet
from ..bench.core.levels import rounded
from ..bench.core.nets.bdct import CHANNELS, bdct_and_blind, inverse_bdct
from ..bench.core.nets.generator_unet import GeneratorUNet
from ..bench.core.nets.margin import MarginHead, ramped
from ..bench.core.nets.servers import published_recipe
from ..bench.core.precision import exactly
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Secret
from ..bench.core.training import Batch, TrainSettings, train
from .wire import WireDefense
from .wire_settings import WireSettings

AT_ONCE = 8  # pictures: their 192 channels fit the cache of a CPU, which is then twice as fast
GENTLE = 0.1  # the U-Net's share in x': Adam's steps are of one size, this is g's lower rate (x 0.1 in TFace's readme)
# Channels below this carry rounding only (a grey data set has no Cb and Cr); pixels count to 255.
LEAST = 1e-3


@dataclass(frozen=True)
class MinusFaceSettings(WireSettings):
    """Stage 1, the generator; stage 2 is the server's."""

    alpha: float = 5.0  # weight of mean |X - X'|; too small and X_p shows the face
    beta: float = 1.0  # weight of ArcFace on the residue
    width: int = 8  # U-Net channels at full resolution; released code: 64
    levels: int = 3  # halvings in the U-Net; released code: 4
    steps: int = 200  # optimiser steps; paper: 24 epochs of 5.8 M pictures
    batch: int = 16  # pictures per step; paper: 64 per GPU
    lr: float = 2e-3  # peak; paper: 1e-2 (recipe tface) for f and half of it for g
    bits: int = 0  # of X_p per colour; 0 = not rounded, as released; 8 = what a picture file holds


@register_defense("minusface")
class MinusFace(WireDefense):
    """The face's frequencies less what a generator can redraw, in random order per picture."""

    secrets = frozenset({Secret.SAMPLE})
    channels = 3
    fidelity = Fidelity.SIMPLIFIED
    paper = "Mi et al., CVPR 2024"
    paper_value = "recovery SSIM .50, PSNR 10.98 dB; LFW 99.78 %"
    paper_source = "MinusFace, figure 6c and table 1"
    claims = "What is sent shows no face and cannot be recovered by who knows the generator but not the order."
    Settings = MinusFaceSettings
    settings: MinusFaceSettings
    spread: Tensor

    def _build_client(self, context: FitContext) -> None:
        s = self.settings
        if s.alpha <= 0 or s.beta <= 0:
            raise InputError(f"minusface: alpha and beta must be positive, got {s.alpha} and {s.beta}.")
        if s.width < 1 or not 1 <= s.levels <= 4:
            raise InputError(f"minusface: width must be >= 1 and levels lie in 1..4, got {s.width} and {s.levels}.")
        if s.bits != 0 and not 2 <= s.bits <= 16:
            raise InputError(f"minusface: bits must be 0 (not rounded) or lie in 2..16, got {s.bits}.")
        self.generator = GeneratorUNet(CHANNELS, s.width, s.levels)
        self.register_buffer("spread", torch.ones(CHANNELS, 1, 1))

    def _build_server(self, channels: int, context: FitContext, shrink: int = 1) -> nn.Module:
        # No linear map of X_p is the picture, whatever the order: a copied recogniser would be aimed at nothing.
        if self.settings.recognizer_init == "clean_finetune":
            return super()._build_server(channels, context, shrink)
        return self._network(channels, context)

    def encode(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, side, side) -> X_p, (N, 3, side, side) in [0, 1]."""
        orders = self.orders(secret)

        def decoded(some: Tensor, order: Tensor) -> Tensor:
            return inverse_bdct(shuffled(self.residue(some), order))

        if self.settings.bits:
            return rounded(decoded, images, orders, bits=self.settings.bits)
        parts = torch.arange(len(images)).split(AT_ONCE)
        return torch.cat([decoded(images[part], orders[part]) for part in parts]).clamp(0, 1)

    def orders(self, secret: SecretDraw) -> Tensor:
        """(N, 192): which channel of r takes each place, one uniformly random order per picture."""
        return secret.sample.child("minusface").permutation(secret.ids.cpu(), CHANNELS)

    def residue(self, images: Tensor) -> Tensor:
        """(N, 3, side, side) in [0, 1] -> r = e(X) - g(e(X)), (N, 192, side, side)."""
        return self.subtract(images)[1]

    def decoded_residue(self, images: Tensor) -> Tensor:
        """R' = d(r), (N, 3, side, side), not clamped; 128/255 where it is blank."""
        return inverse_bdct(self.residue(images))

    def redrawn(self, images: Tensor) -> Tensor:
        """X' = d(g(e(X))), (N, 3, side, side), not clamped."""
        x, r = self.subtract(images)
        return inverse_bdct(x - r)

    def subtract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, side, side) in [0, 1] -> x = e(X) and r = x - g(x), (N, 192, side, side) each.

        At the start x' = x - r holds what d sees: the means of the blocks, and the least of all that decodes to what
        they lack.
        """
        x, blind = bdct_and_blind(images)
        with exactly(x.device):  # r is the difference of numbers near 1000
            return x, blind - GENTLE * self.spread * self.generator(x / self.spread)

    def _fit_client(self, context: FitContext) -> None:
        faces, s = self.training_faces(context), self.settings
        scale = self._measure(context, faces)
        flips, dim = context.rng.child("mirror-1"), int(context.recognizer.dim)  # type: ignore[arg-type]
        throwaway = self._network(CHANNELS, context).to(context.device)
        draws = context.rng.child("margin-1").torch()
        published = s.recipe == "tface"
        spread = 0.01 if published else 1.0
        head = MarginHead(faces.n_identities, dim, "arcface", s.scale, draws, spread).to(context.device)

        def loss(batch: Batch) -> Tensor:
            images, _ = self.training_images(faces, batch, flips, context.device)
            x, r = self.subtract(images)
            unlike = 2 * (images - inverse_bdct(x - r)).abs().mean()  # 2: from [0, 1] to the paper's [-1, 1]
            labels = faces.labels[batch.index].to(context.device)
            margin = s.margin if published else ramped(s.margin, batch.progress, s.margin / 3)
            return s.alpha * unlike + s.beta * head(throwaway(r * scale), labels, margin)  # type: ignore[no-any-return]

        learner = nn.ModuleList([self.generator, throwaway, head])
        budget = (published_recipe if published else TrainSettings)(s.steps, s.batch, s.lr, weight_decay=s.weight_decay)
        title = f"{self.name}: generator"
        rng = context.rng.child("stage-1")
        self.client_log = train(learner, loss, len(faces), budget, rng=rng, progress=context.progress, title=title)

    @torch.no_grad()
    def _measure(self, context: FitContext, faces: FaceSet, count: int = 128) -> Tensor:
        """Learn the root mean square of every channel of x; returns one over that of r at the start, for f."""
        some = context.some("spread", count)
        squares = torch.zeros(2, CHANNELS, dtype=torch.float64, device=context.device)
        for part in some.split(32):
            parts = bdct_and_blind(faces.resized(part, self.settings.side).to(context.device))
            for row, channels in enumerate(parts):
                squares[row] += channels.double().square().mean((2, 3)).sum(0) / len(some)
        of_x, of_r = squares.sqrt().clamp(min=LEAST).float()[:, :, None, None]
        self.spread.copy_(of_x)
        return 1 / of_r  # type: ignore[no-any-return]


def shuffled(r: Tensor, orders: Tensor) -> Tensor:
    """(N, C, h, w) with each sample's channels in its own order, (N, C) int64."""
    rows = torch.arange(len(r), device=r.device)[:, None]
    return r[rows, orders.to(r.device)]
