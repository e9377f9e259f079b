"""The networks that may stand at the server (or be trained as a recogniser), by name and by the papers' recipe."""

from __future__ import annotations

from typing import Literal

from torch import nn

from ..errors import InputError
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


def begin_as(net: nn.Module, recognizer: nn.Module, owner: str) -> None:
    """Give ``net`` the weights of a recogniser of pictures of its kind, but for a first convolution of other channels.

    Raises:
        InputError: the recogniser holds another network, or none (its ``net``).
    """
    trained = getattr(recognizer, "net", None)
    theirs = trained.state_dict() if isinstance(trained, nn.Module) else {}
    own = net.state_dict()
    fit = {name: value for name, value in theirs.items() if name in own and own[name].shape == value.shape}
    if len(theirs) != len(own) or len(own) - len(fit) > 1:
        raise InputError(
            f"{owner}: recognizer_init = 'warm' needs a recogniser of the server's own kind and side; of its "
            f"{len(own)} tensors {len(fit)} fit; set server and side to the recogniser's, or use 'scratch'."
        )
    net.load_state_dict(own | fit, strict=True)


def published_recipe(steps: int, batch: int, lr: float, weight_decay: float) -> TrainSettings:
    """How TFace trains: SGD with momentum, the rate a tenth at epochs 10, 18 and 22 of 24; the first epoch warms up."""
    return TrainSettings(
        steps, batch, lr, optimizer="sgd", schedule="steps", weight_decay=weight_decay, nesterov=False, warmup=WARMUP
    )
