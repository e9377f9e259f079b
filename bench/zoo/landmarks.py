"""The landmark network that defences and attacks share: trained once per split on what the data set knows, and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.context import MakerContext, Weights, as_kept
from ..core.errors import InputError
from ..core.faces import FaceSet
from ..core.nets.heatmaps import HeatMapNet, place_loss, usual
from ..core.seeding import Rng
from ..core.training import Batch, TrainSettings, train


@dataclass(frozen=True)
class LandmarkSettings:
    """Size and budget; equal settings share one network."""

    landmark_width: int = 16  # channels at half the side
    landmark_levels: int = 3  # halvings below that
    landmark_pictures: int = 1200  # of the split, at most, whose landmarks are asked for
    landmark_steps: int = 400  # optimiser steps
    landmark_batch: int = 24  # pictures per step
    landmark_lr: float = 2e-3  # peak learning rate


def landmark_network(faces: FaceSet, context: MakerContext, settings: LandmarkSettings) -> HeatMapNet:
    """A frozen network that finds the landmarks that ``faces`` knows of its pictures.

    Args:
        faces: what it learns from.
        context: whoever makes it; it works at the context's resolution.
        settings: size and budget; a plug-in's own settings may be handed over whole.

    Raises:
        InputError: the data set knows no landmarks, or the side cannot be halved as often as the settings say.
    """
    s, rng, resolution = settings, Rng(context.rng.seed, "landmarks"), context.resolution
    halvings = s.landmark_levels + 1
    if resolution % (1 << halvings):
        raise InputError(
            f"The landmark network halves the side {halvings} times, which {resolution} pixels do not allow; set "
            "landmark_levels or the track's resolution."
        )
    with rng.child("weights").seeds_torch():
        net = HeatMapNet(_known(faces, torch.zeros(1, dtype=torch.int64)).shape[1], resolution, s.landmark_width,
                         s.landmark_levels).to(context.device)  # fmt: skip

    def make() -> Weights:
        chosen = torch.randperm(len(faces), generator=rng.child("pictures").torch())[: s.landmark_pictures]
        points = _known(faces, chosen)
        net.begin_at(usual(points, resolution // 2).to(context.device))

        def loss(batch: Batch) -> Tensor:
            return place_loss(
                net(faces.resized(chosen[batch.index], resolution).to(context.device)), points[batch.index]
            )

        budget = TrainSettings(s.landmark_steps, s.landmark_batch, s.landmark_lr)
        train(net, loss, len(chosen), budget, rng=rng, progress=context.progress, title="landmark network")
        return net.state_dict()

    spec: Mapping[str, Any] = {name: getattr(s, name) for name in LandmarkSettings.__dataclass_fields__}
    as_kept(net, context.keep("landmarks", spec, make))
    return net


def _known(faces: FaceSet, index: Tensor) -> Tensor:
    """(B, P, 2) the landmarks of the pictures at ``index``."""
    parts = [faces.anatomy(part) for part in index.split(128)]
    if None in parts:
        raise InputError(
            f"Landmarks are needed, and the data set of split {faces.name!r} knows none: take the synthetic faces, or "
            "give `lfw` or `folder` the path of a landmark model with the setting `landmarks`."
        )
    return torch.cat([part.landmarks for part in parts if part is not None]).float()
