"""DuetFace: the client keeps the channels that show the face and sends the others, with hints where to look.

Mi et al., "DuetFace: Collaborative Privacy-Preserving Face Recognition via Channel Splitting in the Frequency Domain",
ACM Multimedia 2022. Re-implementation, simplified: the paper's text could not be read; what follows is from its
abstract, its pipeline figure and the README and code of the authors' release (Tencent TFace).
Of 64 frequency channels per plane the client keeps the ten that are most visible, 30 in all, and sends the other 162.
A small network of the client, trained alone on the 30 and then frozen, gives a mask at each of four stages: the mean of
its feature map over channels, stretched to [0, 1], times the facial region, stretched again. (A channel mean may be
negative: without the first stretch the outside of the face, 0, would be where it is largest.) The server's network
reads the 162 channels and meets mask M after each of its four stages, F -> sigmoid(F) (1 + w M), with one learnt w per
stage, 0 at first. The server learns with ArcFace. Nothing is secret; the masks travel too and are part of the leak.
The facial region is the hull of detected landmarks (``roi = hull``; the network that finds them is the shared one of
`bench/zoo/landmarks.py`, public, and knows the points that the data set knows: the synthetic faces' whole outline, or
five, whose hull reaches from the eyes to the mouth only), or a fixed ellipse, since faces are aligned.
Differs from the release: its 1x1 "interface" convolution between the networks is left out (not in the figure, and drawn
anew at every call there, never learnt); it detects 98 landmarks; both networks standardise their channels with fixed
statistics, where the release leaves it to the first batch norm; by default small networks (`mobilenet.py`, `resnet.py`)
for MobileFaceNet and IR-50, which ``client`` and ``server`` ask for; with recognizer_init = distill, both learn from
the system's recogniser. clean_finetune is refused, because the sigmoids change every stage. ``interaction = gate`` is
ours, for a few thousand pictures, which no server from scratch learns to recognise from: the server is a copy of the
system's recogniser behind one 3x3 convolution (or the channels' closed-form inverse, ``front = inverse``), and the
blocks are F -> F (1 + w M) at four of its layers, which at first change nothing.
The authors' own figures: LFW 99.82 %, IJB-C 95.30 % (undefended 99.77, 95.60). Recovery, by others: SSIM .84, PSNR
19.39 dB (MinusFace, figure 6c), that is, next to no resistance to an inverter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.faces import FaceSet
from ..bench.core.leaks import Leak
from ..bench.core.nets.adapted import Adapted
from ..bench.core.nets.bdct import PER_PLANE, bdct
from ..bench.core.nets.heatmaps import HeatMapNet
from ..bench.core.nets.inverse import FrequencyInverse, Restored
from ..bench.core.nets.layers import map_layers
from ..bench.core.nets.mobilefacenet import MobileFaceNet
from ..bench.core.nets.mobilenet import MobileNet
from ..bench.core.nets.regions import ellipse_region, hull_region
from ..bench.core.nets.standardize import Standardize
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity
from ..bench.zoo.landmarks import LandmarkSettings, landmark_network
from .wire import WireDefense
from .wire_settings import WireSettings

# The client's ten of each plane, as released; PartialFace drops 10 and 17 in place of 4 and 5.
VISIBLE = (0, 1, 2, 3, 4, 5, 8, 9, 16, 24)
CLIENT = tuple(PER_PLANE * plane + k for plane in range(3) for k in VISIBLE)
SENT = tuple(k for k in range(3 * PER_PLANE) if k not in CLIENT)

# After these blocks of the client's network a mask is taken; there the map is this many times smaller than the picture.
TAPS, SHRINK = {"small": (1, 3, 4, 5), "mobilefacenet": (0, 1, 2, 3)}, (4, 8, 16, 16)
MASKS = tuple(f"mask{stage}" for stage in (1, 2, 3, 4))


@dataclass(frozen=True)
class DuetFaceSettings(LandmarkSettings, WireSettings):
    """The client's network."""

    server_batch: int = 32  # pictures per step; a step of 162 channels takes as long as several of a picture
    client: Literal["small", "mobilefacenet"] = "small"  # its network; released code: mobilefacenet
    client_steps: int = 300  # optimiser steps of the client's network, alone; released code: 24 epochs
    # Facial region of the masks; as released: the hull, which needs a data set that knows landmarks.
    roi: Literal["hull", "ellipse", "none"] = "ellipse"
    # Of masks and server: the paper's, or one that a copied recogniser survives (ours, see above).
    interaction: Literal["sigmoid", "gate"] = "sigmoid"


class DuetServer(nn.Module):
    """A network of four stages with an interactive block after each.

    Args:
        trunk: of ``servers.py``, for (N, C, h, w) of what travels.
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk: Any = trunk
        self.weights = nn.Parameter(torch.zeros(len(MASKS)))

    def forward(self, x: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """(N, C, h, w) standardised and four (N, 1, ., .) in [0, 1] -> (N, D) of any norm."""
        features = self.trunk.stem(x)
        for stage, mask, weight in zip(self.trunk.body, masks, self.weights, strict=True):
            features = interact(stage(features), mask, weight)
        return self.trunk.head(features)  # type: ignore[no-any-return]


class GatedCopy(nn.Module):
    """A copy of a recogniser, behind what makes a picture for it, with a gate F -> F (1 + w M) at four of its layers.

    Args:
        adapted: (N, C, h, w) of what travels -> (N, D), the copy in it.
    """

    def __init__(self, adapted: Adapted | Restored) -> None:
        super().__init__()
        self.adapted = adapted
        self.weights = nn.Parameter(torch.zeros(len(MASKS)))
        self.places = map_layers(self.adapted.recognizer, len(MASKS))

    def forward(self, x: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """(N, C, h, w), standardised before a convolution, and four (N, 1, ., .) in [0, 1] -> (N, D) of any norm."""
        layers = dict(self.adapted.recognizer.named_modules())
        gates = [
            layers[place].register_forward_hook(partial(_gate, mask, weight))
            for place, mask, weight in zip(self.places, masks, self.weights, strict=True)
        ]
        try:
            return self.adapted(x)  # type: ignore[no-any-return]
        finally:  # nothing stays in the network that is saved, copied or sent elsewhere
            for gate in gates:
                gate.remove()

    def aim(self, x: Tensor, images: Tensor) -> None:
        """Begin as the best linear map from the (n, >= C, h, w) channels, masks behind, to (n, 3, h, w) pictures."""
        if isinstance(self.adapted, Adapted):
            self.adapted.aim(x[:, : self.adapted.adapter.in_channels], images)


def _gate(mask: Tensor, weight: Tensor, layer: nn.Module, inputs: Any, features: Tensor) -> Tensor:
    resized = F.interpolate(mask, features.shape[-2:], mode="bilinear", align_corners=False)
    return features * (1 + weight * resized)


@register_defense("duetface")
class DuetFace(WireDefense):
    """162 of 192 frequency channels, and four masks made of the 30 that stay."""

    channels = len(SENT)
    invertible = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "Mi et al., ACM MM 2022"
    paper_value = "LFW 99.82 %; recovery SSIM .84, PSNR 19.39 dB as measured by MinusFace"
    paper_source = "DuetFace, table of the release; MinusFace, figure 6c"
    claims = "Who sees the channels and masks sent can neither view the face nor recover it."
    Settings = DuetFaceSettings
    settings: DuetFaceSettings
    client: MobileNet | MobileFaceNet
    client_standardize: Standardize
    finder: HeatMapNet

    def example(self) -> dict[str, Tensor]:
        """Two rows of the shape that travels."""
        side = self.settings.side
        masks = {name: torch.zeros(2, 1, side // by, side // by) for name, by in zip(MASKS, SHRINK, strict=True)}
        return {"channels": torch.zeros(2, len(SENT), side, side), **masks}

    def encode(self, images: Tensor, secret: SecretDraw) -> dict[str, Tensor]:
        """(N, 3, side, side) -> (N, 162, side, side) on the scale of 8-bit pixels, and (N, 1, ., .) masks in [0, 1]."""
        coefficients = bdct(images)
        masks = self.masks(coefficients[:, CLIENT], self.regions(images))
        return {"channels": coefficients[:, SENT], **dict(zip(MASKS, masks, strict=True))}

    def regions(self, images: Tensor) -> list[Tensor | None]:
        """(N, 3, side, side) -> where the face is, for the map of each mask: (N or 1, 1, ., .) shares, or None."""
        roi, sides = self.settings.roi, [self.settings.side // by for by in SHRINK]
        if roi == "none":
            return [None] * len(SHRINK)
        if roi == "ellipse":
            return [ellipse_region(side).to(images) for side in sides]
        whole = hull_region(self.finder.landmarks(images), self.settings.side)
        return [F.avg_pool2d(whole, by) for by in SHRINK]

    def masks(self, visible: Tensor, regions: Sequence[Tensor | None]) -> list[Tensor]:
        """(N, 30, side, side) the client's channels, facial region at each tap -> four (N, 1, ., .) in [0, 1]."""
        features, found = self.client.stem(self.client_standardize(visible)), list[Tensor]()
        for block, layer in enumerate(self.client.body):
            features = layer(features)
            if block in TAPS[self.settings.client]:
                found.append(attention(features, regions[len(found)]))
        return found

    def read(self, wire: Leak) -> Tensor:
        """What travelled -> (N, D) of any norm."""
        assert isinstance(wire, dict)
        # "channels" comes first by name: its statistics are the first 162. The masks are in [0, 1] as they are.
        count, x = len(SENT), wire["channels"]
        if self.settings.front == "convolution":
            x = (x - self.standardize.mean[:count]).mul_(self.standardize.scale[:count])
        return self.server(x, [wire[name] for name in MASKS])  # type: ignore[no-any-return]

    def _build_client(self, context: FitContext) -> None:
        if self.settings.front == "inverse" and self.settings.interaction != "gate":
            raise InputError(
                "duetface: front = 'inverse' stands before a copied recogniser; take interaction = 'gate'."
            )
        if self.settings.recognizer_init == "clean_finetune":
            raise InputError(
                "duetface: recognizer_init = 'clean_finetune' is not possible, because the server puts a sigmoid after "
                "every stage and a copied recogniser would know nothing any more; use 'distill' or 'scratch'."
            )
        if self.settings.roi == "hull":
            faces = context.faces("duetface finds the hull of landmarks")
            # Shared, so no part of this state.
            object.__setattr__(self, "finder", landmark_network(faces, context, self.settings))
        self.client_standardize = Standardize(torch.zeros(2, len(CLIENT), self.settings.side, self.settings.side))
        dim = int(context.recognizer.dim)  # type: ignore[arg-type]
        if self.settings.client == "mobilefacenet":
            self.client = MobileFaceNet(len(CLIENT), dim, self.settings.side)
        else:  # two blocks in each of three stages: the maps are 4, 8 and 16 times smaller, as MobileFaceNet's
            self.client = MobileNet(len(CLIENT), dim, blocks=2)

    def _build_server(self, channels: int, context: FitContext, shrink: int = 1) -> nn.Module:
        if self.settings.interaction == "gate":
            copied = self._copyable(context).trainable_copy()  # type: ignore[operator]
            if self.settings.front == "inverse":
                return GatedCopy(Restored(FrequencyInverse(torch.tensor([SENT]), self.settings.side), copied))
            return GatedCopy(Adapted(len(SENT), copied))
        return DuetServer(self._network(len(SENT), context, shrink))

    def _copyable(self, context: FitContext) -> nn.Module:
        """The system's recogniser, for a server that is a copy of it.

        Raises:
            InputError: the settings ask for another server, or the recogniser is forward only.
        """
        s, recognizer = self.settings, context.recognizer
        if s.server != "small" or s.recognizer_init != "distill":
            raise InputError(
                "duetface: with interaction = 'gate' the server is a copy of the recogniser that learns from it: leave "
                f"server and recognizer_init out, got {s.server!r} and {s.recognizer_init!r}."
            )
        if not recognizer.differentiable:
            raise InputError(
                "duetface: interaction = 'gate' trains a copy of the recogniser, and this one is forward only; take "
                "interaction = 'sigmoid', or a recogniser with gradients."
            )
        return recognizer

    def _fit_client(self, context: FitContext) -> None:
        """Train the client's network alone, on its own channels, then freeze it."""
        self._fit_statistics(context, self.training_faces(context))

        def see(x: Tensor, secret: SecretDraw) -> Tensor:
            return self.client(self.client_standardize(bdct(x)[:, CLIENT]))  # type: ignore[no-any-return]

        rng = context.rng.child("client")
        self.client_log = self.learn_faces(see, [self.client], self.settings.client_steps, context, rng, "client")
        self.client.requires_grad_(False)

    @torch.no_grad()
    def _fit_statistics(self, context: FitContext, faces: FaceSet, count: int = 128) -> None:
        """Fixed mean and scale of the client's channels."""
        some = context.some("client statistics", count).split(32)
        parts = [faces.resized(part, self.settings.side).to(context.device) for part in some]
        self.client_standardize.fit(torch.cat([bdct(part)[:, CLIENT] for part in parts]))


def attention(features: Tensor, region: Tensor | None) -> Tensor:
    """(N, C, h, w) -> (N, 1, h, w) in [0, 1]: mean over channels, stretched, times the facial region, stretched again.

    A map that is constant says nothing about where to look, and becomes 0.
    """
    mask = stretched(features.mean(1, keepdim=True))
    return mask if region is None else stretched(mask * region)


def stretched(mask: Tensor) -> Tensor:
    """(N, 1, h, w) -> [0, 1], the least of each sample 0 and its largest 1; constant: 0."""
    low, high = mask.amin((2, 3), keepdim=True), mask.amax((2, 3), keepdim=True)
    return ((mask - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)


def interact(features: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """sigmoid(F) (1 + w M): (N, C, h, w) features, (N, 1, ., .) mask brought to their size, scalar w."""
    resized = F.interpolate(mask, features.shape[-2:], mode="bilinear", align_corners=False)
    return torch.sigmoid(features) * (1 + weight * resized)
