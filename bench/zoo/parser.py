"""Which part of the face each pixel shows: a small U-Net that defences share, trained once per train split and kept.

Of rendered faces the true parts are known. Photographs have none: there the network is taught by one fixed map of the
aligned crop, shifted and mirrored together with the picture, so that it has to look at the picture to tell. What it
learns from that is coarse.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.context import MakerContext, Weights, as_kept
from ..core.errors import InputError
from ..core.faces import FaceSet
from ..core.nets.unet import UNetBody, double_conv
from ..core.seeding import Rng, presentation_ids
from ..core.training import Batch, TrainSettings, train

CLASSES = ("surroundings", "skin", "eyes and brows", "nose", "mouth")
# Which class a part belongs to, by a word in its name; "face" and "skin" are skin, all others are surroundings.
_WORDS = (("eye", 2), ("brow", 2), ("glass", 2), ("nose", 3), ("lip", 4), ("mouth", 4), ("skin", 1), ("face", 1))
# Class, centre and half axes (x, y) of ellipses in pixels of the 112-pixel crop, about ArcFace's template of five
# points; later ones cover earlier ones.
_CROP = 112
_ELLIPSES = (
    (1, 56.0, 66.0, 37.0, 52.0),
    (2, 38.3, 47.0, 13.0, 11.0), (2, 73.5, 47.0, 13.0, 11.0),
    (3, 56.0, 66.0, 9.0, 13.0),
    (4, 56.1, 92.3, 17.0, 8.0),
)  # fmt: skip
_SHIFT = 0.12  # largest, share of the side
_LEVELS = 3


@dataclass(frozen=True)
class ParserSettings:
    """Its size and its budget; equal settings share one."""

    parser_width: int = 8  # channels at full resolution
    parser_steps: int = 300  # optimiser steps
    parser_batch: int = 16  # pictures per step
    parser_faces: int = 600  # pictures whose parts are asked for
    parser_lr: float = 5e-3  # peak learning rate


def part_parser(faces: FaceSet, context: MakerContext, side: int, settings: ParserSettings) -> UNetBody:
    """The frozen parser: (N, 3, side, side) in [0, 1] -> (N, 5, side, side) logits of ``CLASSES``.

    Args:
        faces: what it learns from.
        context: whoever makes it; nothing of the recogniser or of what is attacked is used.
        side: at which it works, a multiple of 8.
        settings: its size and budget; a plug-in's own settings may be handed over whole.

    Raises:
        InputError: a side that does not fit, or sizes below 1.
    """
    s, spec = settings, {field.name: getattr(settings, field.name) for field in fields(ParserSettings)}
    if side % (1 << _LEVELS) or min(spec.values()) <= 0:
        raise InputError(
            f"A part parser needs a side that is a multiple of 8 and positive sizes, got {side} and {spec}."
        )
    rng = Rng(context.rng.seed, "part parser")
    with rng.child("weights").seeds_torch():
        net = UNetBody(3, len(CLASSES), s.parser_width, _LEVELS, double_conv).to(context.device)

    def make() -> Weights:
        index = torch.randperm(len(faces), generator=rng.child("faces").torch())[: s.parser_faces]
        x, truth = faces.resized(index, side), true_parts(faces, index, side)

        def loss(batch: Batch) -> Tensor:
            u = rng.uniform(presentation_ids(faces.ids[index[batch.index]], batch.presentation), (3,))
            shown, parts = moved(x[batch.index], truth[batch.index], u)
            return F.cross_entropy(net(shown.to(context.device)), parts.to(context.device))

        budget = TrainSettings(s.parser_steps, s.parser_batch, s.parser_lr)
        train(net, loss, len(index), budget, rng=rng, progress=context.progress, title="part parser")
        return net.state_dict()

    as_kept(net, context.keep("part parser", spec | {"side": side}, make))
    return net


def true_parts(faces: FaceSet, index: Tensor, side: int) -> Tensor:
    """(n, side, side) int64 classes of the pictures at ``index``: the set's own parts, or the fixed map n times."""
    known = faces.anatomy(index)
    if known is None or known.parts is None:
        return template(side).expand(len(index), -1, -1)
    merged = torch.tensor([next((c for word, c in _WORDS if word in name), 0) for name in known.part_names])
    parts = merged[known.parts.long()]
    return F.interpolate(parts[:, None].float(), (side, side), mode="nearest-exact")[:, 0].long()


def template(side: int) -> Tensor:
    """(side, side) int64: where an aligned crop has its parts."""
    at = (torch.arange(side) + 0.5) * _CROP / side
    y, x = torch.meshgrid(at, at, indexing="ij")
    parts = torch.zeros(side, side, dtype=torch.int64)
    for kind, centre_x, centre_y, half_x, half_y in _ELLIPSES:
        parts[((x - centre_x) / half_x) ** 2 + ((y - centre_y) / half_y) ** 2 <= 1] = kind
    return parts


def moved(images: Tensor, parts: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (B, 3, s, s) and classes (B, s, s), both shifted and half of them mirrored by (B, 3) uniform numbers."""
    theta = torch.zeros(len(u), 2, 3)
    theta[:, 0, 0] = torch.where(u[:, 0] < 0.5, -1.0, 1.0)
    theta[:, 1, 1] = 1
    theta[:, :, 2] = 2 * _SHIFT * (2 * u[:, 1:] - 1)  # the grid spans -1 .. 1, two units
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    shown = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    classes = F.grid_sample(parts[:, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False)
    return shown, classes[:, 0].round().long()
