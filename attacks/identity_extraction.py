"""Identity extraction: from a leak to the person's embedding, without ever drawing a picture.

FaceLinkGen, arXiv 2602.02914: a student is distilled from a frozen public recogniser (the teacher) on pairs of
(protected leak, plain image), so that the leak's embedding lands where the face's own would. It broke PartialFace,
MinusFace and FracFace, whose pixels stayed hidden.
Loss: 1 - mean cos(student(leak), teacher(image)).
The teacher is the adversary's surrogate where the track names one, else the attacked recogniser's own answers. For
picture-like leaks the student starts as a copy of the surrogate behind one 3x3 convolution, as in the paper, aimed at
the picture by ridge regression; without a surrogate it is a small residual network from scratch. For vectors it is an
MLP that starts as the ridge regression of the teacher's embeddings on the leak.
Differs from the paper: the student's size and schedule (paper: antelopev2, AdamW 5e-4, batch 256, 2 epochs of 70k
images). Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.context import AttackContext
from ..bench.core.leaks import Leak, leak_to
from ..bench.core.linear import penalty_by_people, ridge
from ..bench.core.nets.adapted import Adapted
from ..bench.core.nets.mlp import ResidualMlp
from ..bench.core.nets.resnet import ResNet
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Fidelity
from ..bench.core.threat import RecognizerAccess, ThreatModel
from ..bench.core.training import Batch, TrainSettings, train
from .base import Attack


@dataclass(frozen=True)
class IdentityExtractionSettings:
    """Budgets; vectors and maps differ a hundredfold in cost."""

    vector_steps: int = 800  # optimiser steps for vector leaks
    map_steps: int = 500  # ... for picture-like leaks
    batch: int = 64  # pairs per step
    vector_lr: float = 1e-3  # peak learning rate
    map_lr: float = 5e-4  # FaceLinkGen, section 5.1
    weight_decay: float = 5e-3  # FaceLinkGen, section 5.1
    width: int = 512  # hidden units of the MLP
    side: int = 64  # side in pixels at which a network from scratch works
    from_surrogate: bool = True  # start from the surrogate's weights where they are differentiable


@register_attack("identity-extraction")
class IdentityExtraction(Attack):
    """Leak -> embedding in the teacher's space, by distillation."""

    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)
    recovers = frozenset({"identity"})
    trained = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "FaceLinkGen, arXiv 2602.02914"
    paper_value = "98.5 % 1:1 matching on LFW against PartialFace, MinusFace, FracFace"
    paper_source = "FaceLinkGen, abstract"
    Settings = IdentityExtractionSettings
    settings: IdentityExtractionSettings
    net: nn.Module

    def _build(self, context: AttackContext) -> None:
        self.space = "surrogate" if context.surrogate is not None else "target"
        dim = int(self._teacher(context).shape[1])
        if not self.standardize.is_map:
            self.net = ResidualMlp(self.standardize.shape[0], dim, self.settings.width)
            return
        channels = self.standardize.shape[0]
        able = context.surrogate is not None and getattr(context.surrogate, "differentiable", False)
        if able and self.settings.from_surrogate and context.surrogate is not None:
            self.net = Adapted(channels, context.surrogate.trainable_copy())  # type: ignore[operator]
        else:
            self.net = ResNet(dim=dim, in_channels=channels)

    def _teacher(self, context: AttackContext) -> Tensor:
        """(n, D) what the public faces' own embeddings are, in the space that is recovered."""
        if context.surrogate_embeddings is not None:
            return context.surrogate_embeddings()
        return context.target.public_embeddings()

    def _side(self, context: AttackContext) -> int:
        """Networks from scratch work at a fixed small side; a recogniser resizes for itself."""
        return 0 if isinstance(self.net, Adapted) else self.settings.side

    def _embed(self, leak: Leak, context: AttackContext) -> Tensor:
        x = self.inputs(leak)
        side = self._side(context)
        if side and x.ndim == 4 and x.shape[-1] != side:
            x = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
        return F.normalize(self.net(x), dim=1)

    def _fit(self, context: AttackContext) -> None:
        if isinstance(self.net, Adapted):
            some = torch.arange(min(64, context.target.pair_budget))
            x = self.inputs(leak_to(context.target.pairs(some), context.device))
            self.net.aim(x, context.public.resized(some, x.shape[-1]).to(context.device))
        teacher = self._teacher(context)
        if isinstance(self.net, ResidualMlp):
            self._begin(self.net, teacher, context)

        def loss(batch: Batch) -> Tensor:
            leak = leak_to(context.target.pairs(batch.index, batch.presentation), context.device)
            z = teacher[batch.index].to(context.device)
            return 1 - (self._embed(leak, context) * z).sum(1).mean()

        s, is_map = self.settings, self.standardize.is_map
        budget = TrainSettings(
            s.map_steps if is_map else s.vector_steps, s.batch, s.map_lr if is_map else s.vector_lr,
            weight_decay=s.weight_decay,
        )  # fmt: skip
        n = context.target.pair_budget
        self.log = train(self.net, loss, n, budget, rng=context.rng, progress=context.progress, title=self.name)

    @torch.no_grad()
    def _begin(self, net: ResidualMlp, teacher: Tensor, context: AttackContext) -> None:
        """Start as the best linear map of the pairs, its penalty chosen on people it was not learnt from."""
        x = self._vectors(context)
        z = teacher[: len(x)].cpu()
        weight, offset = ridge(x, z, penalty_by_people(x, z, context.public.labels[: len(x)]))
        net.skip.weight.copy_(weight.T.float())
        net.skip.bias.copy_(offset.float())

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        return Recovery(embeddings=self._embed(leak, context), space=self.space)

    def _vectors(self, context: AttackContext) -> Tensor:
        """(n, K) inputs of all pairs, for vector leaks."""
        parts = torch.arange(context.target.pair_budget).split(512)
        return torch.cat([self.inputs(leak_to(context.target.pairs(part), context.device)).cpu() for part in parts])
