"""DuetFace: the client keeps the channels that show the face and sends the others, with hints where to look.

Mi et al., "DuetFace: Collaborative Privacy-Preserving Face Recognition via Channel Splitting in the Frequency Domain",
ACM Multimedia 2022. Re-implementation, simplified: the paper's text could not be read; what follows is from its
abstract, its pipeline figure and the README and code of the authors' release (Tencent TFace).
Of 64 frequency channels per plane the client keeps the ten that are most visible, 30 in all, and sends the other 162.
A small network of the client, trained alone on the 30 and then frozen, gives a mask at each of four stages: the mean of
its feature map over channels, times the facial region, stretched to [0, 1]. The server's network reads the 162
channels and meets mask M after each of its four stages, F -> sigmoid(F) (1 + w M), with one learnt w per stage, 0 at
first. The server learns with ArcFace. Nothing is secret; the masks travel too and are part of the leak.
Differs from the release: its 1x1 "interface" convolution between the networks is left out (not in the figure, and drawn
anew at every call there, never learnt); the facial region is a fixed ellipse of aligned faces and not the hull of 98
detected landmarks; both networks standardise their channels with fixed statistics, where the release leaves it to the
first batch norm; small networks (`mobilenet.py`, `resnet.py`) for MobileFaceNet and IR-50; with recognizer_init =
distill, both learn from the system's recogniser. clean_finetune is refused, because the sigmoids change every stage.
The authors' own figures: LFW 99.82 %, IJB-C 95.30 % (undefended 99.77, 95.60). Recovery, by others: SSIM .84, PSNR
19.39 dB (MinusFace, figure 6c), that is, next to no resistance to an inverter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.faces import FaceSet
from ..bench.core.leaks import Leak
from ..bench.core.nets.bdct import PER_PLANE, bdct
from ..bench.core.nets.mobilenet import MobileNet
from ..bench.core.nets.resnet import SMALL, ResNet
from ..bench.core.nets.standardize import Standardize
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity
from .wire import WireDefense, WireSettings

# The client's ten of each plane, as released; PartialFace drops 10 and 17 in place of 4 and 5.
VISIBLE = (0, 1, 2, 3, 4, 5, 8, 9, 16, 24)
CLIENT = tuple(PER_PLANE * plane + k for plane in range(3) for k in VISIBLE)
SENT = tuple(k for k in range(3 * PER_PLANE) if k not in CLIENT)

# After these blocks of the client's network a mask is taken; there the map is this many times smaller than the picture.
TAPS, SHRINK = (1, 3, 4, 5), (4, 8, 16, 16)
MASKS = tuple(f"mask{stage}" for stage in (1, 2, 3, 4))

# Ellipse of the face in an aligned crop, as shares of its side: centre x, y and half axes; about the hull of brows,
# cheeks, jaw and chin of the synthetic faces.
ROI_CENTRE, ROI_HALF = (0.50, 0.63), (0.32, 0.36)


@dataclass(frozen=True)
class DuetFaceSettings(WireSettings):
    """The client's network."""

    server_batch: int = 32  # pictures per step; a step of 162 channels takes as long as several of a picture
    client_steps: int = 300  # optimiser steps of the client's network, alone; released code: 24 epochs
    roi: Literal["ellipse", "none"] = "ellipse"  # facial region of the masks; paper: hull of 98 landmarks


class DuetServer(nn.Module):
    """A residual network of four stages with an interactive block after each.

    Args:
        channels: C of what travels.
        dim: D of the embedding.
    """

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.trunk = ResNet(channels, dim, widths=SMALL, blocks=1)  # a stage is one block
        self.weights = nn.Parameter(torch.zeros(len(MASKS)))

    def forward(self, x: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """(N, C, h, w) standardised and four (N, 1, ., .) in [0, 1] -> (N, D) of any norm."""
        features = self.trunk.stem(x)
        for stage, mask, weight in zip(self.trunk.body, masks, self.weights, strict=True):
            features = interact(stage(features), mask, weight)
        return self.trunk.head(features)  # type: ignore[no-any-return]


@register_defense("duetface")
class DuetFace(WireDefense):
    """162 of 192 frequency channels, and four masks made of the 30 that stay."""

    channels = len(SENT)
    fidelity = Fidelity.SIMPLIFIED
    paper = "Mi et al., ACM MM 2022"
    paper_value = "LFW 99.82 %; recovery SSIM .84, PSNR 19.39 dB as measured by MinusFace"
    paper_source = "DuetFace, table of the release; MinusFace, figure 6c"
    claims = "Who sees the channels and masks sent can neither view the face nor recover it."
    Settings = DuetFaceSettings
    settings: DuetFaceSettings
    client: MobileNet
    client_standardize: Standardize

    def example(self) -> dict[str, Tensor]:
        """Two rows of the shape that travels."""
        side = self.settings.side
        masks = {name: torch.zeros(2, 1, side // by, side // by) for name, by in zip(MASKS, SHRINK, strict=True)}
        return {"channels": torch.zeros(2, len(SENT), side, side), **masks}

    def encode(self, images: Tensor, secret: SecretDraw) -> dict[str, Tensor]:
        """(N, 3, side, side) -> (N, 162, side, side) on the scale of 8-bit pixels, and (N, 1, ., .) masks in [0, 1]."""
        coefficients = bdct(images)
        masks = self.masks(coefficients[:, CLIENT])
        return {"channels": coefficients[:, SENT], **dict(zip(MASKS, masks, strict=True))}

    def masks(self, visible: Tensor) -> list[Tensor]:
        """(N, 30, side, side) the client's channels -> four (N, 1, ., .) in [0, 1]."""
        features, found = self.client.stem(self.client_standardize(visible)), []
        for block, layer in enumerate(self.client.body):
            features = layer(features)
            if block in TAPS:
                found.append(attention(features, self.settings.roi == "ellipse"))
        return found

    def read(self, wire: Leak) -> Tensor:
        """What travelled -> (N, D) of any norm."""
        assert isinstance(wire, dict)
        # "channels" comes first by name: its statistics are the first 162. The masks are in [0, 1] as they are.
        count = len(SENT)
        x = (wire["channels"] - self.standardize.mean[:count]).mul_(self.standardize.scale[:count])
        return self.server(x, [wire[name] for name in MASKS])  # type: ignore[no-any-return]

    def _build_client(self, context: FitContext) -> None:
        if self.settings.recognizer_init == "clean_finetune":
            raise InputError(
                "duetface: recognizer_init = 'clean_finetune' is not possible, because the server puts a sigmoid after "
                "every stage and a copied recogniser would know nothing any more; use 'distill' or 'scratch'."
            )
        self.client_standardize = Standardize(torch.zeros(2, len(CLIENT), self.settings.side, self.settings.side))
        # Two blocks in each of three stages: the maps are 4, 8 and 16 times smaller, as MobileFaceNet's.
        self.client = MobileNet(len(CLIENT), int(context.recognizer.dim), blocks=2)  # type: ignore[arg-type]

    def _build_server(self, channels: int, context: FitContext) -> nn.Module:
        return DuetServer(len(SENT), int(context.recognizer.dim))  # type: ignore[arg-type]

    def _fit_client(self, context: FitContext) -> None:
        """Train the client's network alone, on its own channels, then freeze it."""
        self._fit_statistics(context, self.training_faces(context))

        def see(x: Tensor, secret: SecretDraw) -> Tensor:
            return self.client(self.client_standardize(bdct(x)[:, CLIENT]))  # type: ignore[no-any-return]

        rng = context.rng.child("client")
        self.learn_faces(see, [self.client], self.settings.client_steps, context, rng, "client")
        self.client.requires_grad_(False)

    @torch.no_grad()
    def _fit_statistics(self, context: FitContext, faces: FaceSet, count: int = 128) -> None:
        """Fixed mean and scale of the client's channels."""
        some = context.some("client statistics", count).split(32)
        parts = [faces.resized(part, self.settings.side).to(context.device) for part in some]
        self.client_standardize.fit(torch.cat([bdct(part)[:, CLIENT] for part in parts]))


def attention(features: Tensor, facial: bool) -> Tensor:
    """(N, C, h, w) -> (N, 1, h, w) in [0, 1]: mean over channels, times the facial region, stretched per sample.

    A map that is constant says nothing about where to look, and becomes 0.
    """
    mean = features.mean(1, keepdim=True)
    if facial:
        mean = mean * face_region(mean.shape[-1]).to(mean)
    low, high = mean.amin((2, 3), keepdim=True), mean.amax((2, 3), keepdim=True)
    return ((mean - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)


def interact(features: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """sigmoid(F) (1 + w M): (N, C, h, w) features, (N, 1, ., .) mask brought to their size, scalar w."""
    resized = F.interpolate(mask, features.shape[-2:], mode="bilinear", align_corners=False)
    return torch.sigmoid(features) * (1 + weight * resized)


@lru_cache(maxsize=16)
def face_region(size: int, fine: int = 8) -> Tensor:
    """(1, 1, size, size): the share of each cell that lies in the ellipse, from ``fine`` x ``fine`` points."""
    steps = (torch.arange(size * fine) + 0.5) / (size * fine)
    x, y = ((steps - centre) / half for centre, half in zip(ROI_CENTRE, ROI_HALF, strict=True))
    inside = (x[None, :].square() + y[:, None].square() <= 1).float()
    return F.avg_pool2d(inside[None, None], fine)
