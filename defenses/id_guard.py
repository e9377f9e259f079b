"""ID-Guard: a perturbation that spoils what attribute editors make of a published face, where the face is recognised.

Qu, Lu, Luo, Wang, Cao, "ID-Guard: A Universal Framework for Combating Facial Manipulation via Breaking Identification",
arXiv 2409.13349. A network sees the picture and a learned prior perturbation, the same for all, and adds d with
|d| <= eps. For each editor M and wanted attributes c, with y = M(x, c) and y' = M(x', c), it makes large (authors'
code)
  L_M = MSE(y m, y' m) + 0.1 (1 - cos(f(y), f(y'))) + 0.01 MSE(g m, g' m)
for both x' = x + d and x' = x + prior; m masks brows, eyes, nose and mouth, f is a recogniser, g features in the middle
of M. The editors' losses are weighed, anew at each step, by
  mgda   the point of least norm in the hull of their gradients (weights of the network, the prior included)
  kpi    -(1 - l)^tau log l, l the first term of L_M: editors that resist count more
  equal  1
The prior starts as a universal perturbation, made by projected gradient ascent over batches.
Differs: m only, without the Grad-CAM++ map of a VGG that the paper multiplies it with; two small editors of
`bench/zoo/editors.py`, trained on the train split, for the five published ones; f the protectors' recognisers,
averaged. d = eps tanh(h) and so is the prior, where the paper clamps: a clamp has no gradient outside. Instance norm
and ReLU for batch norm and SELU, fewer layers, higher rate, fewer steps, all priorities pi = 1. Where the data set
knows no parts of faces, m are boxes of the aligned crop. Fidelity: simplified.
The paper's tables could not be read. Its measures are the L2 distance of edited pictures inside m and the likeness of
identities; the latter needs a recogniser outside the loss: noise that rides through an editor may move f alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ..bench.core.context import FitContext
from ..bench.core.crop import BROWS, EYES, MOUTH, NOSE, covered
from ..bench.core.errors import InputError
from ..bench.core.faces import FaceSet, resize
from ..bench.core.likeness import feature_distance
from ..bench.core.multitask import min_norm_weights
from ..bench.core.nets.editor import EncoderDecoder, Kind
from ..bench.core.precision import exactly
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.seeding import Rng
from ..bench.core.surfaces import Fidelity, Goal, Surface
from ..bench.core.training import Batch, TrainSettings, train
from ..bench.zoo.editors import EditorSettings, attribute_editor, attribute_table
from .base import Defense

PARTS = ("eye", "brow", "nose", "lip", "mouth")  # a part whose name holds one of these is what people are known by
PRIOR_STEP = 0.2  # of the universal perturbation's ascent, shares of eps
FILL = 0.9  # tanh reaches its bound nowhere: the prior starts this share of the way to it


@dataclass(frozen=True)
class IdGuardSettings(EditorSettings):
    """Strength, losses and training."""

    eps: float = 0.05  # largest change, of pixels in [-1, 1]; paper: 0.05
    editors: tuple[Kind, ...] = ("residual", "attention")  # whom it learns to spoil
    weighting: Literal["mgda", "kpi", "equal"] = "mgda"  # of the editors' losses
    tau: float = 1.0  # of kpi; authors' code: 1
    weight_identity: float = 0.1  # authors' code: 0.1
    weight_features: float = 0.01  # authors' code: 0.01
    width: int = 16  # channels of the generator at full resolution; authors' code: 64
    blocks: int = 2  # its residual blocks; authors' code: 6
    pictures: int = 512  # of the train split; their parts are rendered anew, 20 ms each
    prior_steps: Annotated[int, Field(ge=0)] = 20  # batches of the universal perturbation that the prior starts as
    steps: int = 200  # optimiser steps
    batch: int = 4  # pictures per step; authors' code: 3
    lr: float = 1e-3  # peak, AdamW, one cycle; authors' code: 1e-4


class Guard(nn.Module):
    """The generator and its prior; perturbations are for pictures in [0, 1], at most ``bound`` each."""

    def __init__(self, side: int, bound: float, width: int, blocks: int) -> None:
        super().__init__()
        self.bound = bound
        self.raw = nn.Parameter(torch.zeros(3, side, side))
        self.net = EncoderDecoder(6, 3, width, blocks)

    @property
    def prior(self) -> Tensor:
        """(3, side, side), the same for all pictures."""
        return self.bound * self.raw.tanh()

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, side, side) -> (N, 3, side, side), each picture's own perturbation."""
        prior = self.raw.tanh().expand_as(images)
        return self.bound * self.net(torch.cat([2 * images - 1, prior], dim=1))[0].tanh()

    @torch.no_grad()
    def start(self, perturbation: Tensor) -> None:
        """Makes (3, side, side) the prior, ``FILL`` times."""
        self.raw.copy_((FILL * perturbation / self.bound).atanh())


@register_defense("id-guard")
class IdGuard(Defense):
    """An invisible change, made in one pass, that breaks what editors make of the picture."""

    label = "ID-Guard"
    protects = Surface.IMAGE
    goal = Goal.DISRUPT_EDITS
    uses_surrogates = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "Qu et al., arXiv 2409.13349 (2024)"
    paper_value = "disrupts five editors within 0.05 (no figure could be read)"
    paper_source = "ID-Guard, abstract and authors' code"
    claims = "Edited versions of the published picture no longer show the person, and the picture looks untouched."
    Settings = IdGuardSettings
    settings: IdGuardSettings
    guard: Guard

    def _build(self, context: FitContext) -> None:
        s = self.settings
        if s.eps <= 0 or s.tau < 0 or min(s.weight_identity, s.weight_features) < 0 or s.prior_steps < 0:
            raise InputError(f"id-guard: eps must be positive and weights, tau and prior_steps not negative, got {s}.")
        if not s.editors or len(set(s.editors)) < len(s.editors):
            raise InputError(f"id-guard: name each editor once and at least one, got {s.editors}.")
        if min(s.pictures, s.steps, s.batch, s.width) < 1:
            raise InputError(f"id-guard: pictures, steps, batch and width must be at least 1, got {s}.")
        self.guard = Guard(context.resolution, s.eps / 2, s.width, s.blocks)

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) -> (N, 3, H, W) in [0, 1], each value at most eps / 2 away."""
        noise = self.guard(resize(images, self.guard.raw.shape[-1]))
        if noise.shape != images.shape:  # weights of the interpolation are a mean's: no value grows
            noise = F.interpolate(noise, images.shape[-2:], mode="bilinear", antialias=True)
        return (images + noise).clamp(0, 1)

    def properties(self) -> dict[str, float | str]:
        """``eps``, of pixels in [-1, 1]."""
        return {"eps": self.settings.eps}

    def _fit(self, context: FitContext) -> None:
        s = self.settings
        faces = context.faces("id-guard learns from editors of faces")
        lesson = Lesson(self.guard, context, faces, s)
        rng = context.rng.child("id-guard")
        lesson.universal(s.prior_steps, rng.child("universal"))
        budget = TrainSettings(s.steps, s.batch, s.lr)
        title, n = "id-guard: generator", len(lesson.index)
        self.log = train(self.guard, lesson.loss, n, budget, rng=rng, progress=context.progress, title=title)


class Lesson:
    """What the generator learns from: pictures, masks, editors, recognisers."""

    def __init__(self, guard: Guard, context: FitContext, faces: FaceSet, settings: IdGuardSettings) -> None:
        self.guard, self.settings, self.device = guard, settings, context.device
        self.recognizers = context.need_surrogates("id-guard breaks identity under recognisers of the protector's")
        wanted = attribute_table(faces, settings.edited)
        self.editors = [attribute_editor(faces, context, settings, kind) for kind in settings.editors]
        self.index = context.some("id-guard", settings.pictures)
        self.pictures = faces.resized(self.index, context.resolution)
        self.masks = part_masks(faces, self.index, context.resolution)
        # What an editor may be asked for: the attributes of another picture.
        self.wanted = wanted[self.index].roll(1, 0)

    def damages(self, x: Tensor, noises: list[Tensor], rows: Tensor) -> list[tuple[Tensor, Tensor]]:
        """L_M and its first term for each editor, means over pictures and perturbations.

        Args:
            x: (B, 3, side, side), pictures ``rows`` of the lesson.
            noises: perturbations, (B, 3, side, side) or (3, side, side) each.
            rows: (B,) int64.
        """
        s, k = self.settings, len(noises)
        mask, wanted = self.masks[rows].to(x).repeat(k, 1, 1, 1), self.wanted[rows].to(x)
        noisy = torch.cat([(x + noise).clamp(0, 1) for noise in noises])
        found = []
        for editor in self.editors:
            with torch.no_grad():
                y, middle = (part.repeat(k, 1, 1, 1) for part in editor.edit(x, wanted))
            spoilt, middle_spoilt = editor.edit(noisy, wanted.repeat(k, 1))
            visible = (2 * (y - spoilt) * mask).square().mean()  # of pixels in [-1, 1]
            identity = feature_distance(self.recognizers, y, spoilt).mean()
            small = F.adaptive_avg_pool2d(mask, (middle.shape[-2], middle.shape[-1]))
            features = ((middle - middle_spoilt) * small).square().mean()
            found.append((visible + s.weight_identity * identity + s.weight_features * features, visible))
        return found

    def universal(self, steps: int, rng: Rng) -> None:
        """Projected gradient ascent over batches of pictures; the prior starts as what it finds."""
        bound, generator = self.guard.bound, rng.torch()
        # From 0 it would never move: there, edited pictures do not differ, and their squared distance has no slope.
        noise = bound * (2 * torch.rand(self.guard.raw.shape, generator=generator) - 1).to(self.device)
        for _ in range(steps):
            rows = torch.randint(len(self.index), (self.settings.batch,), generator=generator)
            noise.requires_grad_(True)
            found = self.damages(self.pictures[rows].to(self.device), [noise], rows)
            (slope,) = torch.autograd.grad(torch.stack([damage for damage, _ in found]).sum(), noise)
            noise = (noise.detach() + PRIOR_STEP * bound * slope.sign()).clamp(-bound, bound)
        self.guard.start(noise)

    def loss(self, batch: Batch) -> Tensor:
        """Minus the weighted damage to all editors."""
        x = self.pictures[batch.index].to(self.device)
        with exactly(self.device):  # small differences of pictures
            found = self.damages(x, [self.guard(x), self.guard.prior], batch.index)
            weights = self._weights(found)
            return -(weights * torch.stack([damage for damage, _ in found])).sum()

    def _weights(self, found: list[tuple[Tensor, Tensor]]) -> Tensor:
        """(editors,) what each editor's loss counts, without gradient."""
        s = self.settings
        if s.weighting == "kpi":
            return kpi_weights(torch.stack([visible for _, visible in found]).detach(), s.tau)
        if s.weighting == "equal" or len(found) == 1:
            return torch.ones(len(found), device=self.device)
        parameters = list(self.guard.parameters())
        rows = [torch.autograd.grad(damage, parameters, retain_graph=True) for damage, _ in found]
        return min_norm_weights(torch.stack([torch.cat([g.flatten() for g in row]) for row in rows]))


def kpi_weights(damage: Tensor, tau: float) -> Tensor:
    """-(1 - l)^tau log l of (T,) l, held within [1e-13, 1]: 0 where an editor is wholly spoilt."""
    damage = damage.clamp(1e-13, 1)
    return -((1 - damage) ** tau) * damage.log()


def part_masks(faces: FaceSet, index: Tensor, side: int) -> Tensor:
    """(B, 1, side, side) in [0, 1]: brows, eyes, nose and mouth, or the boxes where aligned crops have them."""
    known = faces.anatomy(index[:1])
    if known is None or known.parts is None:
        boxes = covered(BROWS + EYES + NOSE + MOUTH, side, side).float()
        return boxes.expand(len(index), 1, side, side)
    named = enumerate(known.part_names)
    numbers = [i for i, name in named if any(part in name for part in PARTS) and "glass" not in name]
    parts = []
    for chunk in index.split(64):
        anatomy = faces.anatomy(chunk)
        assert anatomy is not None
        assert anatomy.parts is not None
        parts.append(torch.isin(anatomy.parts, torch.tensor(numbers, dtype=torch.uint8))[:, None].float())
    return F.adaptive_avg_pool2d(torch.cat(parts), side)
