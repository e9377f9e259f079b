"""Feature-inversion network: a small deconvolution decoder from template to picture, black box.

The attacker every defence paper tests against ("URec" in AdvFace). Needs (image, template) pairs of its own public
faces and the attacked system's answers on them, no gradients. Two terms, as in Mai et al., "On the Reconstruction of
Face Images from Deep Face Templates", TPAMI 2019: a pixel term, then a term in the features of a network.

Stage 1: mean |y - x| + w_ssim (1 - SSIM(y, x)); stage 2 adds w_feature (1 - cos(g(y), g(x))), g the adversary's own
recogniser (the surrogate) where the track grants one with gradients, else a small student into which the black box's
answers were distilled, as in Vec2Face (Duong et al., CVPR 2020). Each stage has a learning-rate cycle of its own.

Differs from the papers: y = ridge(z) + net(z), where ridge is the closed-form picture of ``linear-ridge`` and the net's
last layer begins at zero, so that the attack begins where linear algebra ends; of what is learnt on top, as much is
kept as makes people that it was not learnt from more alike, at a small price (``bench/core/nets/begun.py``). g instead
of VGG-19 features or a bijective metric; group norm, nearest up-sampling, one-cycle AdamW, averaged weights. Fidelity:
simplified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.context import AttackContext, Weights, as_kept
from ..bench.core.leaks import Leak, leak_to
from ..bench.core.nets.begun import Begun
from ..bench.core.nets.cascade import CascadeDecoder
from ..bench.core.nets.decoder import UpDecoder
from ..bench.core.nets.resnet import SMALL, ResNet
from ..bench.core.nets.ssim import ssim_map
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.seeding import Rng
from ..bench.core.surfaces import Fidelity, Surface
from ..bench.core.threat import RecognizerAccess, ThreatModel
from ..bench.core.training import Batch, TrainLog, TrainSettings, train
from .base import Attack
from .inversion import Recipe, Stage, learn_to_draw, staged


@dataclass(frozen=True)
class InversionSettings:
    """Budget that the inversion networks share; the defaults are for 64x64 on a CPU."""

    steps: int = 1000  # optimiser steps
    batch: int = 64  # pairs per step
    lr: float = 3e-3  # peak learning rate
    feature_batch: int = 32  # samples of each batch that a loss in features sees
    student_steps: int = 250  # distillation steps of the student g
    student_batch: int = 64  # pairs per distillation step
    average: float = 0.04  # share of a stage's steps over which weights are averaged; 0 = off
    begin: Literal["ridge", "mean"] = "ridge"  # picture that the network's own is added to


@dataclass(frozen=True)
class DecoderSettings(InversionSettings):
    """Which network, and its losses."""

    network: Literal["up", "cascade"] = "up"  # up-sampling, or the cascaded deconvolution of TIFS 2024
    width: int = 96  # channels at 4x4; TIFS 2024: 512, for 112 pixels
    weight_ssim: float = 0.3  # of (1 - SSIM)
    weight_feature: float = 0.3  # of the feature term; 0 = pixels only
    feature_from: float = 0.5  # share of the steps after which stage 2 begins [0, 1]


@register_attack("decoder")
class Decoder(Attack):
    """Template -> picture, trained on pairs, without gradients of the attacked recogniser."""

    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)
    surfaces = frozenset({Surface.TEMPLATE})
    trained = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "Mai et al., TPAMI 2019; Duong et al., CVPR 2020"
    Settings: ClassVar[type] = DecoderSettings
    settings: Any
    net: nn.Module

    def _build(self, context: AttackContext) -> None:
        self._need(plane=False)
        self.net = self.network(self.standardize.shape[0], context)

    def network(self, dim: int, context: AttackContext) -> Begun:
        """(N, dim) -> (N, 3, s, s), as the settings ask for, on top of a linear start."""
        kind = CascadeDecoder if self.settings.network == "cascade" else UpDecoder
        return Begun(dim, context.resolution, kind(dim, context.resolution, self.settings.width))

    def _fit(self, context: AttackContext) -> None:
        s = self.settings
        alike = self._likeness(context) if s.weight_feature else None

        def pixels(y: Tensor, x: Tensor, index: Tensor) -> Tensor:
            return (y - x).abs().mean() + s.weight_ssim * (1 - ssim_map(y, x).mean())

        def both(y: Tensor, x: Tensor, index: Tensor) -> Tensor:
            assert alike is not None
            some = slice(s.feature_batch)
            return pixels(y, x, index) + s.weight_feature * (1 - alike(y[some].float(), index[some])).mean()

        stages = staged(s.steps, s.feature_from, pixels, both if alike else None)
        self.log = self._in_stages(stages, context)

    def _in_stages(self, stages: list[Stage], context: AttackContext) -> TrainLog:
        """``learn_to_draw`` from what the network reads, with the settings' budget."""
        assert isinstance(self.net, Begun)
        s = self.settings
        budget, read = TrainSettings(s.steps, s.batch, s.lr), lambda index, shown: self._read(index, shown, context)
        recipe = Recipe(read, stages, budget, s.average, s.begin)
        return learn_to_draw(self.net, recipe, context.target.pair_budget, context, context.rng, self.name)

    def _examples(self, batch: Batch, context: AttackContext) -> Tensor:
        """(B, K) what the network reads in training."""
        return self._read(batch.index, batch.presentation, context)

    def _read(self, index: Tensor, presentation: int, context: AttackContext) -> Tensor:
        """(B, K) what the network reads of the public pictures at (B,) ``index``."""
        return self.inputs(leak_to(context.target.pairs(index, presentation), context.device))

    def _likeness(self, context: AttackContext) -> Callable[[Tensor, Tensor], Tensor]:
        """Pictures (B, 3, s, s) of the public people at (B,) positions -> (B,) cosines, differentiable.

        By the surrogate where there is one with gradients, else by a student of the black box.
        """
        own = context.surrogate
        if own is not None and context.surrogate_embeddings is not None and getattr(own, "differentiable", False):
            known = context.surrogate_embeddings()
            return lambda y, index: (own(y) * known[index].to(y.device)).sum(1)
        student, answers = self.student(context), context.target.public_embeddings()
        return lambda y, index: (F.normalize(student(2 * y - 1), dim=1) * answers[index].to(y.device)).sum(1)

    def student(self, context: AttackContext) -> ResNet:
        """A frozen network distilled from the black box's answers, of pictures in [-1, 1].

        It knows nothing of the defence, so one serves all fits on this recogniser.
        """
        answers, s, n = context.target.public_embeddings(), self.settings, context.target.pair_budget
        rng = Rng(context.rng.seed, "student")
        with rng.child("weights").seeds_torch():
            student = ResNet(dim=answers.shape[1], widths=SMALL).to(context.device)

        def loss(batch: Batch) -> Tensor:
            x = context.public.resized(batch.index, context.resolution).to(context.device)
            return 1 - (F.normalize(student(2 * x - 1), dim=1) * answers[batch.index].to(x.device)).sum(1).mean()

        def distil() -> Weights:
            budget = TrainSettings(s.student_steps, s.student_batch, lr=2e-3, weight_decay=0.05)
            train(student, loss, n, budget, rng=rng, progress=context.progress, title="distilling the black box")
            return student.state_dict()

        spec = {"steps": s.student_steps, "batch": s.student_batch, "pairs": n}
        as_kept(student, context.keep("student", spec, distil))
        return student

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        return Recovery(self.net(self.inputs(leak)))
