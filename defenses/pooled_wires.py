"""Wires made of each train picture once, for a server that then learns from the same ones again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.leaks import Leak, leak_cat, leak_map
from ..bench.core.training import Batch

if TYPE_CHECKING:
    from .wire import WireDefense


@torch.no_grad()
def pooled(defense: WireDefense, context: FitContext) -> Callable[[Batch], tuple[Leak, Tensor]]:
    """Wires of all train pictures under ``pool`` secrets each, half of them mirrored, in half precision."""
    if defense.learner_modules():
        raise InputError(f"{defense.name}: its client learns together with the server, so wires cannot be pooled.")
    faces, source, flips = defense.training_faces(context), defense.secrets_of(context), context.rng.child("mirror")
    kept: list[tuple[Leak, Tensor]] = []
    parts = torch.arange(len(faces)).split(64)
    for presentation in range(defense.settings.pool):
        wires, mirrors = [], []
        for part in context.progress.track(parts, len(parts), f"{defense.name}: pool"):
            batch = Batch(part, presentation, 0, 0.0)
            x, mirrored = defense.training_images(faces, batch, flips, context.device)
            wires.append(leak_map(_halved, defense.encode(x, defense.training_draw(faces, part, presentation, source))))
            mirrors.append(mirrored)
        kept.append((leak_cat(wires), torch.cat(mirrors)))

    def wires_of(batch: Batch) -> tuple[Leak, Tensor]:
        wire, mirrored = kept[batch.presentation % len(kept)]
        taken = leak_map(lambda part: part[batch.index].to(context.device).float(), wire)
        return taken, mirrored[batch.index]

    return wires_of


def _halved(part: Tensor) -> Tensor:
    """On the CPU and in half precision, integers as they are."""
    return part.cpu().half() if part.is_floating_point() else part.cpu()
