"""The training loop on a device: its arithmetic, whether it waits, and what it costs beside a bare loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from faceleak.bench.core import training
from faceleak.bench.core.nets.resnet import SMALL, ResNet
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.training import Batch, TrainSettings, train
from gpu.lines import Check, Line
from torch import Tensor, nn


def precision(check: Check) -> Iterator[Line]:
    """bf16 against fp32: embeddings of one network, and where a training comes to."""
    net, x = _network().to(check.device).eval(), _pictures(64).to(check.device)
    with torch.no_grad():
        whole = net(x)
        with torch.autocast(check.device.type, torch.bfloat16):
            half = net(x).float()
    cosine = float(F.cosine_similarity(whole, half).min())
    yield Line("bf16", "least cosine with fp32 embeddings", round(cosine, 5), "cosine", ">= 0.99", cosine >= 0.99)
    steps, kept, ends = 20 if check.toy else 200, training.amp, []
    for kind in (None, torch.bfloat16):
        training.amp = lambda device, kind=kind: torch.autocast(device.type, kind, enabled=kind is not None)
        try:
            ends.append(fit(check, steps)[-steps // 4 :])
        finally:
            training.amp = kept
    whole_end, half_end = (sum(losses) / len(losses) for losses in ends)
    apart = abs(half_end - whole_end) / whole_end
    yield Line("bf16", "loss at the end against fp32", round(apart, 4), "share", "<= 0.1", apart <= 0.1)


def waiting(check: Check) -> Iterator[Line]:
    """Whether a training step makes the processor wait for the device: with data there, CUDA refuses it within."""
    if check.device.type != "cuda":
        yield Line("sync", "a training step", "not asked", note="only CUDA tells")
        return
    try:
        losses = fit(check, 40, watched=True)
        yield Line("sync", "a training step", "none", goal="none", holds=all(map(math.isfinite, losses)))
    except RuntimeError as error:
        yield Line("sync", "a training step", "waits", goal="none", holds=False, note=str(error)[:200])
    finally:
        torch.cuda.set_sync_debug_mode("default")


def steps(check: Check) -> Iterator[Line]:
    """The training loop against a bare one on the same network and data, in turns."""
    count, best = (10, [math.inf, math.inf]) if check.toy else (100, [math.inf, math.inf])
    for _ in range(3):
        for place, loop in enumerate((fit, bare)):
            check.wait()
            start = time.perf_counter()
            loop(check, count)
            check.wait()
            best[place] = min(best[place], (time.perf_counter() - start) / count)
    ratio = best[0] / best[1]
    yield Line("step", "train()", round(1e3 * best[0], 3), "ms")
    yield Line("step", "bare loop", round(1e3 * best[1], 3), "ms")
    # A try is too short to hold it to a goal.
    yield Line(
        "step", "ratio", round(ratio, 3), "", "" if check.toy else "<= 1.05", None if check.toy else ratio <= 1.05
    )


def _network() -> nn.Module:
    with Rng(0, "gpu-check").seeds_torch():
        return ResNet(3, 128, widths=SMALL)


def _pictures(n: int) -> Tensor:
    return Rng(0, "pictures").uniform(torch.arange(n), (3, 64, 64))


def _problem(check: Check) -> tuple[nn.Module, Tensor, Tensor, int]:
    """A network, pictures and what to make of them, all on the device; and the batch."""
    n, batch = (64, 8) if check.toy else (512, 64)
    x = _pictures(n)
    goal = F.normalize(Rng(0, "goal").normal(torch.arange(n), (128,)), dim=1)
    return _network().to(check.device), x.to(check.device), goal.to(check.device), batch


def _there(index: Tensor, device: torch.device) -> Tensor:
    return index.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else index


def fit(check: Check, count: int, watched: bool = False) -> list[float]:
    net, x, goal, batch = _problem(check)

    def loss(part: Batch) -> Tensor:
        if watched:  # from the third step, when the optimiser has its state, to the end of the last but one
            inside = 2 <= part.step < count - 1
            torch.cuda.set_sync_debug_mode("error" if inside else "default")
        at = _there(part.index, check.device)
        return (F.normalize(net(x[at]), dim=1) - goal[at]).square().sum(1).mean()

    settings = TrainSettings(steps=count, batch=batch)
    return train(net, loss, len(x), settings, rng=Rng(0, "fit"), progress=Progress()).losses


def bare(check: Check, count: int) -> None:
    """What anybody would write: the same optimiser, schedule, clipping and arithmetic."""
    net, x, goal, batch = _problem(check)
    net.to(memory_format=torch.channels_last).train()
    parameters = list(net.parameters())
    optimizer = torch.optim.AdamW(parameters, 2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=count)
    for step in range(count):
        at = _there((torch.arange(batch) + step * batch) % len(x), check.device)
        optimizer.zero_grad()
        with training.amp(check.device):
            loss = (F.normalize(net(x[at]), dim=1) - goal[at]).square().sum(1).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
