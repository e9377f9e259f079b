"""What the inversion networks share: begin at ridge regression, learn stage by stage, keep what does no harm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.nets.begun import Begun, OnTop
from ..bench.core.people import held_out
from ..bench.core.seeding import Rng
from ..bench.core.threat import RecognizerAccess
from ..bench.core.training import Batch, TrainLog, TrainSettings, train
from .linear_ridge import ridge_to_pictures

Reader = Callable[[Tensor, int], Tensor]  # (B,) positions of public pictures, presentation -> (B, K) what the net reads
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # y (B, 3, s, s), x (B, 3, s, s), (B,) positions -> mean loss


@dataclass(frozen=True)
class Stage:
    """A part of the training with a learning-rate cycle of its own."""

    steps: int
    loss: Loss


class Recipe(NamedTuple):
    """How a network learns to draw what it reads."""

    read: Reader
    stages: Sequence[Stage]
    budget: TrainSettings  # of a stage but for its steps and the decay of its averaged weights
    average: float = 0.04  # share of a stage's steps over which weights are averaged; 0 = off
    begin: str = "ridge"  # or "mean": the mean face
    held: int = 256  # held-out pictures that are looked at, at most


def staged(steps: int, share: float, first: Loss, second: Loss | None) -> list[Stage]:
    """``first`` for ``share`` of the steps, then ``second``; ``first`` alone where there is no other."""
    before = steps if second is None else min(steps, round(share * steps))
    stages = [Stage(before, first)] + ([Stage(steps - before, second)] if second is not None else [])
    return [stage for stage in stages if stage.steps]


def learn_to_draw(net: Begun, recipe: Recipe, n: int, context: AttackContext, rng: Rng, title: str) -> TrainLog:
    """Fit ``net`` on the first n public pictures: begin as the recipe says, then ``learn_on_top``.

    The line is that of the people who are not held out: one that has seen the held-out people too is nearer to them
    than to anybody else, and what helps strangers would be given up. Where nothing is kept, the line is that of all.
    """
    with torch.no_grad():
        z = torch.cat([recipe.read(part, 0).cpu() for part in torch.arange(n).split(512)])  # (n, K)
    learn = (~_aside(context, n)).nonzero()[:, 0]
    net.begin(*_line(z, learn, recipe, context))
    log = learn_on_top(net, recipe, n, context, rng, title)
    if not log.kept:
        net.begin(*_line(z, torch.arange(n), recipe, context))
    return log


def _line(z: Tensor, index: Tensor, recipe: Recipe, context: AttackContext) -> tuple[Tensor, Tensor]:
    """Where a network begins, of the public pictures at ``index``."""
    weight, offset = ridge_to_pictures(z[index], context, index=index)
    if recipe.begin == "mean":
        offset, weight = context.public.resized(index, context.resolution).mean(0).flatten(), 0 * weight
    return weight, offset


def _aside(context: AttackContext, n: int) -> Tensor:
    """(n,) bool: pictures of the people by whom is judged how much is kept; of nobody where there is one person."""
    held = held_out(context.public.labels[:n])
    return held & ~held.all()


def learn_on_top(net: OnTop, recipe: Recipe, n: int, context: AttackContext, rng: Rng, title: str) -> TrainLog:
    """Train what ``net`` adds to its line, a tenth of the people held out to judge by.

    Where training made the pictures of held-out people less alike than the line's, as far as the adversary can measure,
    or cost more pixels than ``OnTop.settle`` allows, less of what was learnt is kept, down to nothing
    (``TrainLog.kept``).
    """
    held = _aside(context, n)
    learn, log = (~held).nonzero()[:, 0], TrainLog()
    for number, stage in enumerate(recipe.stages):

        def loss(batch: Batch, of: Loss = stage.loss) -> Tensor:
            index = learn[batch.index]
            x = context.public.resized(index, context.resolution).to(context.device)  # (B, 3, s, s)
            return of(net(recipe.read(index, batch.presentation)), x, index)

        span = recipe.average * stage.steps
        budget = replace(recipe.budget, steps=stage.steps, ema=1 - 1 / span if span > 1 else 0.0)
        own = rng.child(f"stage {number}") if number else rng
        log = log.then(train(net, loss, len(learn), budget, rng=own, progress=context.progress, title=title))
    some = held.nonzero()[: recipe.held, 0]
    if len(some) and recipe.stages:
        x = context.public.resized(some, context.resolution).to(context.device)
        with torch.no_grad():
            z = recipe.read(some, 0)
        log.kept = net.settle(z, x, likeness(context, some))
    return log


def likeness(context: AttackContext, index: Tensor) -> Callable[[Tensor], Tensor]:
    """Pictures of the public people at ``index`` -> cosines, by the surrogate, else by the attacked black box.

    All alike where the adversary has neither.
    """
    if context.surrogate is not None and context.surrogate_embeddings is not None:
        own, truth = context.surrogate, context.surrogate_embeddings()[index]
        return lambda y: F.cosine_similarity(own.embed(y).cpu(), truth, dim=1)  # type: ignore[operator]
    if not context.target.threat.grants(RecognizerAccess.BLACK_BOX):
        return lambda y: y.new_zeros(len(y))
    known = context.target.public_embeddings()[index].cpu()
    return lambda y: F.cosine_similarity(context.target.embed(y).cpu(), known, dim=1)
