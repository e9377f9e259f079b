"""The one training loop: every network of the suite is trained here, so that budgets and curves are comparable."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .errors import InputError
from .parallel import companions
from .precision import amp
from .progress import Progress
from .seeding import Rng
from .unfinished import keeping

_READ_EVERY = 50  # steps between two readings of the loss on CUDA


@dataclass(frozen=True)
class TrainSettings:
    """How long and how to train."""

    steps: int = 1000  # optimiser steps
    batch: int = 64  # samples per step
    lr: float = 2e-3  # peak learning rate
    optimizer: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["cosine", "one-cycle", "constant", "steps"] = "one-cycle"
    weight_decay: float = 1e-4
    momentum: float = 0.9  # SGD only ...
    nesterov: bool = True  # ... and whether it looks ahead
    milestones: tuple[float, ...] = (10 / 24, 18 / 24, 22 / 24)  # "steps": shares of the run where the rate falls ...
    warmup: float = 0.0  # ... to a tenth, and the share over which it first rises from zero
    clip: float = 5.0  # gradient norm; 0 = off
    ema: float = 0.0  # decay of the averaged weights; 0 = off


@dataclass(frozen=True)
class Batch:
    """What a loss function is told: which samples, and the how-manieth time they are shown."""

    index: Tensor  # (B,) int64 positions in the data
    presentation: int  # epoch number: fresh secrets are drawn for each
    step: int
    progress: float  # 0 at the first step, 1 at the last


@dataclass
class TrainLog:
    """What is kept of a training run."""

    losses: list[float] = field(default_factory=list)
    epochs: float = 0.0  # how often each sample was shown
    halvings: int = 0  # how often the batch was split after an out-of-memory error
    kept: float = 1.0  # share of what was learnt on top of a start that did held-out people good; 0: none

    def then(self, later: TrainLog) -> TrainLog:
        """This run and the next stage of it."""
        return TrainLog(
            self.losses + later.losses, self.epochs + later.epochs, self.halvings + later.halvings, later.kept
        )

    @property
    def still_falling(self) -> float:
        """Relative drop of the loss from the last tenth but one of the run to the last, 0 where flat.

        Above 0.05: under-trained.
        """
        n = len(self.losses) // 10
        if n < 1:
            return 0.0
        before, last = self.losses[-2 * n : -n], self.losses[-n:]
        mean_before, mean_last = sum(before) / n, sum(last) / n
        scale = max(abs(mean_before), 1e-12)
        return max(0.0, (mean_before - mean_last) / scale)


def batches(n: int, settings: TrainSettings, rng: Rng) -> Iterator[Batch]:
    """Endless epochs over ``n`` samples, each a fresh permutation, cut to ``settings.steps`` steps."""
    generator = rng.child("order").torch()
    order, epoch = torch.randperm(n, generator=generator), 0
    size, start = min(settings.batch, n), 0
    for step in range(settings.steps):
        if start + size > n:
            order, epoch, start = torch.randperm(n, generator=generator), epoch + 1, 0
        yield Batch(order[start : start + size], epoch, step, step / max(1, settings.steps - 1))
        start += size


def train(
    module: nn.Module,
    loss: Callable[[Batch], Tensor],
    n: int,
    settings: TrainSettings,
    *,
    rng: Rng,
    progress: Progress,
    title: str = "training",
) -> TrainLog:
    """Minimise ``loss`` over the parameters of ``module``; the module ends in eval mode.

    A long run keeps itself every few minutes (``unfinished.py``); killed and begun again, it goes on and ends in the
    same bits on the same device. ``loss`` must therefore follow from its batch, ``rng`` and torch's own generators.

    Within ``distributed()`` (``parallel.py``, which says what then differs) each process takes its part of every batch,
    and nothing is kept on the way.

    Args:
        module: network on its device.
        loss: mean loss over the samples of a batch. An out-of-memory error halves the batch and accumulates
            gradients, so the step stays the same step (networks with batch statistics excepted).
        n: number of training samples.
        settings: optimiser and schedule.
        rng: order of the samples.
        progress: where to show it.
        title: what the progress bar says.

    Raises:
        InputError: no samples, or the loss became NaN or infinite (on CUDA noticed every ``_READ_EVERY`` steps).
    """
    if n < 1:
        raise InputError(f"{title}: there are no training samples; widen the public split.")
    parameters = [p for p in module.parameters() if p.requires_grad]
    device = parameters[0].device
    optimizers = _optimizers(parameters, settings)
    schedulers = [torch.optim.lr_scheduler.LambdaLR(one, lambda step: _rate(step, settings)) for one in optimizers]
    average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(settings.ema)) if settings.ema else None
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast, on a CPU too
    log, parts = TrainLog(epochs=settings.steps * min(settings.batch, n) / n), 1
    curve, others = _Curve(log, f"{title}: the loss became", settings.lr, device), companions()
    slot, first = None if others else keeping((title, settings, n, rng.seed, rng.labels), module, optimizers), 0
    if slot is not None and (found := slot.resume(average)):
        (first, parts, log.halvings), log.losses = found
        for scheduler in schedulers:
            _at(scheduler, first)
    if others:
        others.same_start(average or module)
        others.same_start(module)
    module.train()
    left = islice(batches(n, settings, rng), first, None)
    for batch in progress.track(left, settings.steps - first, title):
        values, parts_now = _backward(loss, batch, parts, parameters, device)
        log.halvings += int(math.log2(parts_now // parts)) if parts_now > parts else 0
        parts = parts_now
        if others:
            values = [others.sum_gradients(parameters, sum(values, torch.zeros((), device=device)))]
        curve.add(batch.step, values)
        if settings.clip:
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
        for optimizer, scheduler in zip(optimizers, schedulers, strict=True):
            optimizer.step()
            scheduler.step()
        if average is not None:
            average.update_parameters(module)
        # The end too, where anything was kept before: the making may go on for long after it.
        if slot is not None and (slot.due() or (slot.kept and batch.step == settings.steps - 1)):
            curve.read()
            slot.keep((batch.step + 1, parts, log.halvings), log.losses, average)
    curve.read()
    if average is not None:
        module.load_state_dict(average.module.state_dict())
    if others:
        others.same_end(module)
    module.eval()
    return log


@dataclass
class _Curve:
    """Losses on their way into the log: on CUDA they are read many at a time, as each reading waits for the device."""

    log: TrainLog
    became: str
    lr: float
    device: torch.device
    waiting: list[tuple[int, list[Tensor]]] = field(default_factory=list)

    def add(self, step: int, values: list[Tensor]) -> None:
        """The loss of a step, in as many parts as it was computed in."""
        self.waiting.append((step, values))
        if self.device.type != "cuda" or len(self.waiting) >= _READ_EVERY:
            self.read()

    def read(self) -> None:
        """Put what waits into the log.

        Raises:
            InputError: a loss is NaN or infinite.
        """
        if not self.waiting:
            return
        numbers = iter(torch.stack([value for _, values in self.waiting for value in values]).tolist())
        for step, values in self.waiting:
            value = sum(islice(numbers, len(values)))
            if not math.isfinite(value):
                raise InputError(f"{self.became} {value} at step {step}; lower lr (now {self.lr}).")
            self.log.losses.append(value)
        self.waiting = []


def _at(scheduler: torch.optim.lr_scheduler.LambdaLR, step: int) -> None:
    """As it is after so many steps."""
    scheduler.last_epoch = step
    for group, base, rate in zip(
        scheduler.optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True
    ):
        group["lr"] = base * rate(step)


def _backward(
    loss: Callable[[Batch], Tensor], batch: Batch, parts: int, parameters: list[nn.Parameter], device: torch.device
) -> tuple[list[Tensor], int]:
    """Gradients of one step, in as many parts as memory asks for: of this process's samples where there are others.

    Returns the parts of the loss () and how many parts were asked for.
    """
    others = companions()
    mine = others.part(batch.index) if others else batch.index
    while True:
        for parameter in parameters:
            parameter.grad = None
        try:
            values = []
            for index in mine.chunk(parts) if len(mine) else ():
                share = len(index) / len(batch.index)
                with amp(device):
                    value = loss(Batch(index, batch.presentation, batch.step, batch.progress)) * share
                value.backward()  # type: ignore[no-untyped-call]
                values.append(value.detach())
            return values, parts
        except torch.OutOfMemoryError:
            if parts >= len(mine):
                raise
            parts *= 2
            if device.type == "cuda":
                torch.cuda.empty_cache()


def _optimizers(parameters: list[nn.Parameter], settings: TrainSettings) -> list[torch.optim.Optimizer]:
    """One; with SGD a second one, Adam, for parameters that ask for it by an attribute ``adam`` that is true."""
    if settings.optimizer == "adamw":
        return [torch.optim.AdamW(parameters, settings.lr, weight_decay=settings.weight_decay)]
    own = [p for p in parameters if getattr(p, "adam", False)]
    rest = [p for p in parameters if not getattr(p, "adam", False)]
    sgd = torch.optim.SGD(
        rest,
        settings.lr,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.nesterov and settings.momentum > 0,
    )
    return [sgd, torch.optim.Adam(own, settings.lr)] if own else [sgd]


def _rate(step: int, settings: TrainSettings) -> float:
    """Factor on the peak rate: one-cycle warms up over the first tenth; it and cosine end near zero."""
    if settings.schedule == "constant":
        return 1.0
    t = step / max(1, settings.steps)
    if settings.schedule == "steps":
        rise = (step + 1) / max(1.0, settings.warmup * settings.steps)
        return min(1.0, rise) * 0.1 ** sum(t >= share for share in settings.milestones)
    if settings.schedule == "one-cycle":
        if t < 0.1:
            return 0.04 + 0.96 * t / 0.1
        t = (t - 0.1) / 0.9
    return 0.5 * (1 + math.cos(math.pi * min(1.0, t))) + 1e-3
