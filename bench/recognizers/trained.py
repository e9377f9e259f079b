"""Small recognisers, trained on the track's train split with a margin softmax in minutes on a CPU.

Three architectures of different kinds, so that one can be attacked and another can judge. Expected: 6,000 images of
64x64 pixels (300 identities) in under three CPU-minutes each.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.nets.blocks import initialise
from ..core.nets.margin import MarginHead, MarginLoss, ramped
from ..core.nets.mobilenet import MobileNet
from ..core.nets.resnet import SMALL, ResNet
from ..core.nets.vgg import PlainNet
from ..core.registry import register_recognizer
from ..core.seeding import Rng, presentation_ids
from ..core.training import Batch, TrainLog, TrainSettings, train
from .base import BuildContext, Recognizer, TrainImages


@dataclass(frozen=True)
class SmallSettings:
    """How a small recogniser is built and trained. The defaults are for 300 identities of 20 images."""

    size: int = 64  # pixels; other sizes are resized
    dim: int = 128  # D of the embedding
    loss: MarginLoss = "arcface"
    scale: float = 24.0  # s; the papers' 64 needs many identities
    margin: float = 0.3  # m at the end, radians (arcface) or cosine (cosface) ...
    margin_start: float = 0.1  # ... and at the start; reached linearly in the first half
    steps: Annotated[int, Field(ge=0)] = 1100  # optimiser steps, about 12 epochs of 6,000 images
    batch: int = 64  # images per step
    lr: float = 2e-3  # peak, AdamW, one cycle
    weight_decay: float = 0.05  # AdamW's is decoupled, so larger than SGD's 5e-4
    shift: float = 0.05  # largest shift, share of the side
    zoom: float = 0.08  # largest change of scale
    brightness: float = 0.1  # largest offset
    contrast: float = 0.15  # largest change of contrast


class TrainedRecognizer(Recognizer):
    """What the small recognisers share; a subclass says which network."""

    needs_training = True
    spread: ClassVar[float] = 1.0  # of the class centres at first
    Settings = SmallSettings
    settings: SmallSettings
    log: TrainLog  # losses of the training run; there is none after ``load``

    @abstractmethod
    def _network(self) -> nn.Module:
        """The network that ``settings`` asks for: (N, 3, size, size) in [-1, 1] -> (N, D)."""

    def _create(self) -> None:
        self.size, self.dim = self.settings.size, self.settings.dim
        self.family = type(self).name
        self.net = self._network()

    def _build(self, context: BuildContext) -> None:
        train_images = context.train
        if train_images is None or train_images.n_identities < 2:
            n = 0 if train_images is None else train_images.n_identities
            raise InputError(f"{self.alias} must be trained, and got {n} identities; give the track a train split.")
        self._create()
        rng = context.rng.child("recognizer", type(self).name)
        generator = rng.child("weights").torch()
        initialise(self.net, generator)
        head = MarginHead(
            train_images.n_identities, self.dim, self.settings.loss, self.settings.scale, generator, self.spread
        )
        both = nn.ModuleList([self.net, head]).to(context.device)
        self.log = self._train(both, train_images, context, rng)
        # The loop turns networks to channels-last on CUDA; back, so that a loaded copy runs the same kernels.
        self.net.to(memory_format=torch.contiguous_format)
        self.provenance = {"trained": f"{train_images.n_identities} identities, {len(train_images.labels)} images"}

    def _train(self, both: nn.ModuleList, data: TrainImages, context: BuildContext, rng: Rng) -> TrainLog:
        settings, device = self.settings, context.device
        augment = rng.child("augment")

        def loss(batch: Batch) -> Tensor:
            x = data.resized(batch.index, self.size).to(device)  # (B, 3, size, size)
            ids = presentation_ids(data.ids[batch.index], batch.presentation).to(device)
            x = augmented(x, ids, augment, settings)
            margin = ramped(settings.margin, batch.progress, settings.margin_start)
            value: Tensor = both[1](self.net(2 * x - 1), data.labels[batch.index].to(device), margin)
            return value

        title = f"training {self.alias}"
        return train(both, loss, len(data.labels), self._plan(), rng=rng, progress=context.progress, title=title)

    def _plan(self) -> TrainSettings:
        s = self.settings
        return TrainSettings(steps=s.steps, batch=s.batch, lr=s.lr, weight_decay=s.weight_decay)

    def _embed(self, x: Tensor) -> Tensor:
        z: Tensor = self.net(2 * x - 1)
        return z


def augmented(x: Tensor, ids: Tensor, rng: Rng, settings: SmallSettings) -> Tensor:
    """Mirrored, shifted, zoomed, brighter or darker: (N, 3, H, W) [0, 1] -> the same.

    Args:
        x: images.
        ids: (N,) int64, one per image and presentation; what an image meets depends on nothing else.
        rng: where the numbers come from.
        settings: how far each change goes.
    """
    u = rng.uniform(ids, (6,)) * 2 - 1  # (N, 6) in (-1, 1)
    zoom = 1 + settings.zoom * u[:, 0]
    theta = torch.zeros(len(x), 2, 3, device=x.device)
    theta[:, 0, 0] = zoom * torch.where(u[:, 1] < 0, -1.0, 1.0)  # a negative factor mirrors
    theta[:, 1, 1] = zoom
    theta[:, :, 2] = 2 * settings.shift * u[:, 2:4]  # the grid spans -1 .. 1, two units
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    contrast = 1 + settings.contrast * u[:, 4, None, None, None]
    return ((x - 0.5) * contrast + 0.5 + settings.brightness * u[:, 5, None, None, None]).clamp(0, 1)


@register_recognizer("small-resnet")
class SmallResNet(TrainedRecognizer):
    """A residual network with PReLU, trained on the train split."""

    label = "small ResNet"
    paper = "after ArcFace, Deng et al., CVPR 2019"

    def _network(self) -> nn.Module:
        return ResNet(3, self.dim, widths=SMALL)


@register_recognizer("small-mobilenet")
class SmallMobileNet(TrainedRecognizer):
    """A network of inverted residuals, trained on the train split with CosFace: another judge."""

    @dataclass(frozen=True)
    class Settings(SmallSettings):
        loss: MarginLoss = "cosface"

    label = "small MobileNet"
    paper = "after MobileNetV2, Sandler et al., CVPR 2018, and CosFace, Wang et al., CVPR 2018"

    def _network(self) -> nn.Module:
        return MobileNet(3, self.dim)


@register_recognizer("small-vgg")
class SmallVgg(TrainedRecognizer):
    """Four strided convolutions, trained on the train split: the cheapest."""

    label = "small VGG"
    paper = "after VGG, Simonyan and Zisserman, ICLR 2015"

    def _network(self) -> nn.Module:
        return PlainNet(3, self.dim)
