"""Attribute probes: which soft biometrics (glasses, a beard, age ...) can be read from a leak, whoever it shows.

Terhoerst et al., "Beyond Identity: What Information Is Stored in Biometric Face Templates?", IJCB 2020, arXiv
2009.09918: classifiers trained on (template, attribute) pairs, scored against what the label's frequencies alone give.
Loss: mean over attributes a of the cross-entropy of softmax(f_a(leak)) with the label of a.
f is linear (what lies open), or a multi-layer perceptron (what is there). Leaks with a picture plane are averaged to
``pool`` x ``pool`` for the linear probe, and a small residual network takes the perceptron's place.
It learns from public pictures whose attributes the adversary knows, adaptively or not like any trained attack, and
hands back neither picture nor embedding. The ceiling is the same probe, trained the same way, on the photograph itself.
Differs from the paper: one network for all attributes without its confidence estimate, and labels of the data set at
hand. Fidelity: simplified.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.attributes import Attributes
from ..bench.core.context import AttackContext, Weights, as_kept
from ..bench.core.errors import InputError, NotApplicable
from ..bench.core.faces import resize
from ..bench.core.leaks import Leak, leak_to
from ..bench.core.nets.mlp import ResidualMlp
from ..bench.core.nets.resnet import ResNet
from ..bench.core.nets.standardize import Standardize
from ..bench.core.recovery import Recovery
from ..bench.core.registry import nearest, register_attack
from ..bench.core.seeding import Rng
from ..bench.core.surfaces import Fidelity, Role
from ..bench.core.threat import RecognizerAccess, ThreatModel
from ..bench.core.training import Batch, TrainLog, TrainSettings, train
from .base import Attack


@dataclass(frozen=True)
class AttributeProbeSettings:
    """Which probe, what it reads and for how long it learns."""

    probe: Literal["linear", "mlp"] = "linear"
    names: tuple[str, ...] = ()  # attributes; empty: all that the data set has
    vector_steps: int = 800  # optimiser steps for vector leaks
    map_steps: int = 500  # ... for picture-like leaks
    batch: int = 64  # pairs per step
    lr: float = 2e-3  # peak learning rate
    weight_decay: float = 5e-3
    width: int = 512  # hidden units of the perceptron
    features: int = 128  # what the residual network hands to its last layer
    pool: int = 16  # side to which the linear probe averages a map
    side: int = 64  # side in pixels at which the residual network works at most


@register_attack("attribute-probe")
class AttributeProbe(Attack):
    """Leak -> how likely each class of each attribute is."""

    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)
    recovers = frozenset({"attributes"})
    trained = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "Terhoerst et al., IJCB 2020"
    paper_value = "up to 74 of 113 attributes accurately predicted from templates"
    paper_source = "abstract"
    Settings = AttributeProbeSettings
    settings: AttributeProbeSettings
    net: nn.Module

    def _build(self, context: AttackContext) -> None:
        known = self._known(context)
        self.names = self.settings.names or tuple(known.labels)
        self.sizes = [len(known.classes[name]) for name in self.names]
        self.net = probe(self.standardize.shape, sum(self.sizes), self.settings)

    def _known(self, context: AttackContext) -> Attributes:
        """Labels of the public pictures."""
        known = context.public.attributes
        if known is None:
            raise NotApplicable(
                f"{self.name} needs attributes of the public pictures, and the data set has none; name a label file in "
                "dataset.settings.labels."
            )
        for name in self.settings.names:
            if name not in known.labels:
                raise InputError(f"{self.name}: no attribute is called {name!r}; {nearest(name, list(known.labels))}")
        return known

    def _fit(self, context: AttackContext) -> None:
        def inputs(batch: Batch) -> Tensor:
            return self.inputs(leak_to(context.target.pairs(batch.index, batch.presentation), context.device))

        self.log = self._train(inputs, context.target.pair_budget, context, context.rng)

    def _train(self, inputs: Callable[[Batch], Tensor], n: int, context: AttackContext, rng: Rng) -> TrainLog:
        """Cross-entropy on the first ``n`` public pictures."""
        known, s = self._known(context), self.settings
        labels = torch.stack([known.labels[name] for name in self.names], dim=1)  # (n, A)

        def loss(batch: Batch) -> Tensor:
            logits = self.net(inputs(batch)).split(self.sizes, dim=1)
            wanted = labels[batch.index].to(context.device)
            return torch.stack([F.cross_entropy(part, wanted[:, a]) for a, part in enumerate(logits)]).mean()

        steps = s.map_steps if self.standardize.is_map else s.vector_steps
        budget = TrainSettings(steps, s.batch, s.lr, weight_decay=s.weight_decay)
        return train(self.net, loss, n, budget, rng=rng, progress=context.progress, title=self.name)

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        return self._read(self.inputs(leak))

    def _read(self, x: Tensor) -> Recovery:
        parts = self.net(x).float().split(self.sizes, dim=1)
        return Recovery(attributes={name: part.softmax(dim=1) for name, part in zip(self.names, parts)})


@register_attack("attribute-photo")
class AttributePhoto(AttributeProbe):
    """The same probe on the very photographs that leaked: what there is to be read at all."""

    role = Role.CEILING
    threat = ThreatModel(victims=True)
    trained = False
    fidelity = Fidelity.BASELINE

    def _fit(self, context: AttackContext) -> None:
        rng, side = Rng(context.rng.seed, "attribute-photo"), context.resolution
        some = context.public.resized(torch.arange(min(512, len(context.public))), side)
        self.standardize = Standardize(some[:1])
        with rng.child("weights").seeds_torch():
            self._build(context)
        self.to(context.device)

        def inputs(batch: Batch) -> Tensor:
            return self.inputs(context.public.resized(batch.index, side).to(context.device))

        def make() -> Weights:
            self.standardize.fit(some)
            self._train(inputs, len(context.public), context, rng)
            return self.state_dict()

        spec = dataclasses.asdict(self.settings) | {"labels": self._known(context).sha}
        as_kept(self, context.keep("attribute-photo", spec, make))

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        images = resize(context.need_photographs("same")[index], context.resolution)
        return self._read(self.inputs(images.to(context.device)))


def probe(shape: tuple[int, ...], outputs: int, settings: AttributeProbeSettings) -> nn.Module:
    """A network from standardised leaks to (N, outputs) logits.

    Args:
        shape: of one leak, (K,) or (C, h, w).
        outputs: classes of all attributes together.
        settings: which probe, and its size.
    """
    s = settings
    if s.probe == "linear":
        averaged = [] if len(shape) == 1 else [nn.AdaptiveAvgPool2d(s.pool), nn.Flatten()]
        last = nn.Linear(shape[0] if len(shape) == 1 else shape[0] * s.pool**2, outputs)
        nn.init.zeros_(last.weight)  # it begins at chance, and a short training does not inherit a random direction
        return nn.Sequential(*averaged, last)
    if len(shape) == 1:
        return ResidualMlp(shape[0], outputs, s.width)
    smaller = [nn.AdaptiveAvgPool2d(s.side)] if min(shape[1:]) > s.side else []
    return nn.Sequential(*smaller, ResNet(shape[0], s.features), nn.PReLU(), nn.Linear(s.features, outputs))
