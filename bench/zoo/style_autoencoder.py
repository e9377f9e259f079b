"""The style-modulated autoencoder that defences of published pictures share, trained once per train split and kept.

It belongs to whoever protects pictures. The generative prior of the attacks is another network (``prior.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..core.context import MakerContext, Weights, as_kept
from ..core.errors import InputError
from ..core.faces import FaceSet
from ..core.nets.style_autoencoder import StyleAutoencoder
from ..core.seeding import Rng, presentation_ids
from ..core.training import Batch, TrainSettings, train

_COUNTED = 2048  # pictures that the statistics of W+ are counted on


@dataclass(frozen=True)
class StyleSettings:
    """Its size and its budget; equal settings share one."""

    style_dim: int = 64  # length of each of the nine styles
    style_width: int = 64  # channels of the generator's coarse maps
    style_steps: int = 1200  # optimiser steps
    style_batch: int = 16  # pictures per step
    style_lr: float = 3e-3  # peak learning rate


def style_autoencoder(faces: FaceSet, context: MakerContext, settings: StyleSettings) -> StyleAutoencoder:
    """The autoencoder of these faces, frozen; it works at the context's resolution, raised to a multiple of 16.

    Args:
        faces: what it learns from.
        context: whoever makes it; nothing of the recogniser or of what is attacked is used.
        settings: its size and budget; a plug-in's own settings may be handed over whole.

    Raises:
        InputError: sizes or budget below 1.
    """
    s, spec = settings, {field.name: getattr(settings, field.name) for field in fields(StyleSettings)}
    if min(spec.values()) <= 0 or s.style_width < 4:
        raise InputError(f"A style autoencoder needs positive sizes and a style_width of at least 4, got {spec}.")
    side = max(32, -(-context.resolution // 16) * 16)
    rng = Rng(context.rng.seed, "style autoencoder")
    with rng.child("weights").seeds_torch():
        net = StyleAutoencoder(side, s.style_dim, s.style_width).to(context.device)

    def loss(batch: Batch) -> Tensor:
        x = faces.resized(batch.index, side).to(context.device)
        ids = presentation_ids(faces.ids[batch.index], batch.presentation)
        return net.loss(x, (rng.uniform(ids) < 0.5).to(context.device))

    def make() -> Weights:
        budget = TrainSettings(s.style_steps, s.style_batch, s.style_lr)
        train(net, loss, len(faces), budget, rng=rng, progress=context.progress, title="style autoencoder")
        some = torch.randperm(len(faces), generator=rng.child("counted").torch())[:_COUNTED]
        net.count(styles(net, faces, some))
        return net.state_dict()

    as_kept(net, context.keep("style autoencoder", spec, make))
    return net


@torch.no_grad()
def styles(net: StyleAutoencoder, faces: FaceSet, index: Tensor) -> Tensor:
    """(n, 9, dim) W+ of the pictures at ``index``."""
    device = net.mean.device
    parts = [net.encode(faces.resized(part, net.size).to(device))[0] for part in index.split(128)]
    return torch.cat(parts)
