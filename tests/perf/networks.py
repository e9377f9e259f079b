"""The training step, the frequency front end and the renderer."""

from __future__ import annotations

import math
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from faceleak.bench.core.nets.bdct import CHANNELS, bdct, dct_matrix, fast_bdct, to_ycbcr
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DATASETS
from faceleak.bench.store.store import Store
from faceleak.datasets.base import LoadContext
from faceleak.datasets.rendering import FaceParameters, render, sample_identity, sample_nuisance
from faceleak.datasets.rendering.grids import TEXELS
from gpu.lines import Check
from gpu.training_steps import bare, fit
from perf.pairs import Measured, of, ratio, seconds
from torch import Tensor

_AT_ONCE, _SUMS = 8, 100  # of the renderer's yardstick: never changed, or lines of two commits cannot be compared


def training(toy: bool) -> Iterator[Measured]:
    """In turns, a few steps each: the same network, pictures, batches of 64, optimiser, schedule and clipping."""
    check, steps = Check(torch.device("cpu"), toy, math.inf), 2 if toy else 8
    pairs = 2 if toy else 5
    yield ratio("training-step", lambda: fit(check, steps), lambda: bare(check, steps), pairs, f"{steps} steps")


def transforms(toy: bool) -> Iterator[Measured]:
    """One thread, 16 pictures. The released code aligns corners; the fast one is the transform that does not."""
    x = torch.rand(16, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    same = torch.allclose(upsampled(x), bdct(x), atol=2e-3)
    same = same and torch.allclose(upsampled(x, align_corners=False), fast_bdct(x), atol=2e-3)
    note, pairs = "same coefficients" if same else "OTHER COEFFICIENTS", 2 if toy else 9
    yield ratio("bdct", lambda: upsampled(x), lambda: fast_bdct(x), pairs, note)
    yield ratio("bdct-exact", lambda: upsampled(x), lambda: bdct(x), pairs, note)


def upsampled(x: Tensor, align_corners: bool = True) -> Tensor:
    """As released: the picture at eight times its side, block by block."""
    h, w = x.shape[-2:]
    up = F.interpolate(to_ycbcr(x), (8 * h, 8 * w), mode="bilinear", align_corners=align_corners)
    blocks = up.unfold(2, 8, 8).unfold(3, 8, 8)  # (N, 3, h, w, 8, 8)
    dct = dct_matrix().float()
    return (dct @ blocks @ dct.T).permute(0, 1, 4, 5, 2, 3).reshape(len(x), CHANNELS, h, w)


def renderer(toy: bool) -> Iterator[Measured]:
    """Pictures of 64 pixels in double precision, as data sets are made of; then a data set by a process per core."""
    ids = torch.arange(16 if toy else 128)  # as many as the data set hands to a process at a time
    parameters = FaceParameters(sample_identity(0, ids), sample_nuisance(0, ids, ids)).exact()
    found = ratio("renderer", lambda: render(parameters, 64, ids), lambda: _plainly(len(ids)), 2 if toy else 7)
    yield found
    one = statistics.median(seconds(lambda: render(parameters, 64, ids)) for _ in range(3)) / len(ids)
    people, cores = (20 if toy else 250), os.cpu_count() or 1
    dataset = DATASETS.get("synthetic")({"identities": (people,), "images": (20,)})
    with tempfile.TemporaryDirectory() as folder:
        spent = seconds(lambda: dataset.load(LoadContext(Store(Path(folder)).get, Progress())))
    speed = 20 * people / spent
    yield of("renderer-processes", [speed * one / cores], f"{speed:.0f} pictures/s by {cores}, {1 / one:.0f} by one")


def _plainly(n: int) -> None:
    """A fixed amount of the renderer's kind of work for ``n`` pictures: its rays' reads, and sums over a head's map."""
    maps = torch.ones(_AT_ONCE, TEXELS, TEXELS, dtype=torch.float64)
    steps = torch.linspace(-0.9, 0.9, 64, dtype=torch.float64)
    one = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).expand(_AT_ONCE, -1, -1, -1).contiguous()
    four = one.repeat(1, 4, 1, 1)
    for _ in range(0, n, _AT_ONCE):
        for where, reads in ((one, 10), (four, 3)):
            for _ in range(reads):
                F.grid_sample(maps[:, None], where, align_corners=False, padding_mode="border")
        for _ in range(_SUMS):
            (maps * maps).add_(maps)
