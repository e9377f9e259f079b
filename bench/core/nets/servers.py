"""The networks that may stand at the server (or be trained as a recogniser), by name and by the papers' recipe."""

from __future__ import annotations

from typing import Literal

from torch import nn

from ..training import TrainSettings
from .iresnet import IResNet
from .mobilefacenet import MobileFaceNet
from .resnet import SMALL, ResNet

ServerName = Literal["small", "mobilefacenet", "ir18", "ir34", "ir50", "ir100"]
WARMUP = 1 / 24  # share of the steps: one of the papers' 24 epochs


def server_network(name: ServerName, channels: int, dim: int, side: int) -> nn.Module:
    """A network without weights: (N, channels, side, side), centred values -> (N, dim) of any norm.

    Its ``stem``, then the modules of ``body`` (four stages), then ``head`` are what ``forward`` runs.

    Args:
        name: ``small`` is a residual network that a CPU trains in minutes.
        channels: C of the input.
        dim: D of the embedding.
        side: of the input, pixels.
    """
    if name == "small":
        return ResNet(channels, dim, widths=SMALL)
    if name == "mobilefacenet":
        return MobileFaceNet(channels, dim, side)
    return IResNet(int(name.removeprefix("ir")), channels, dim, side)


def published_recipe(steps: int, batch: int, lr: float, weight_decay: float) -> TrainSettings:
    """How TFace trains: SGD with momentum, the rate a tenth at epochs 10, 18 and 22 of 24; the first epoch warms up."""
    return TrainSettings(
        steps, batch, lr, optimizer="sgd", schedule="steps", weight_decay=weight_decay, nesterov=False, warmup=WARMUP
    )
