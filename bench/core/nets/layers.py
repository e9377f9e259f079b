"""What the layers of any network say of pictures, told by hooks that are gone afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError

_SIDE = 64  # pixels of the pictures that a network is tried on


@torch.no_grad()
def outputs(network: nn.Module, layers: Mapping[str, nn.Module], images: Tensor) -> dict[str, Tensor]:
    """Name -> output of those layers that are run and give a tensor, in the order in which they are run.

    Args:
        network: (N, 3, h, w) in [0, 1] -> anything.
        layers: modules of it, by names of one's own.
        images: (N, 3, h, w) in [0, 1].
    """
    said: dict[str, Tensor] = {}

    def note(name: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            said[name] = output

    hooks = [layer.register_forward_hook(partial(note, name)) for name, layer in layers.items()]
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return said


def tried(network: nn.Module) -> dict[str, Tensor]:
    """``outputs`` of all layers without layers of their own, by name in the network, of two grey pictures."""
    leaves = {name: layer for name, layer in network.named_modules() if not list(layer.children())}
    return outputs(network, leaves, grey(network))


def grey(network: nn.Module) -> Tensor:
    """(2, 3, 64, 64) pictures where the network computes."""
    place = next((p.device for p in network.parameters()), torch.device("cpu"))
    return torch.full((2, 3, _SIDE, _SIDE), 0.5, device=place)


def spread_over(names: list[str], count: int) -> list[str]:
    """``count`` of them, evenly spread, the last one the last; of fewer some twice."""
    return [names[max(0, round((k + 1) * len(names) / count) - 1)] for k in range(count)]


def map_layers(network: nn.Module, count: int) -> tuple[str, ...]:
    """Names of ``count`` layers of any network that give maps, evenly spread in the order in which they are run.

    Args:
        network: (N, 3, h, w) in [0, 1] -> (N, D).
        count: how many; a network of fewer is named at some layers twice.

    Raises:
        InputError: no layer gives a map.
    """
    said = tried(network)
    names = [name for name, x in said.items() if x.ndim == 4 and min(x.shape[-2:]) > 1 and len(x) == 2]
    if not names:
        raise InputError(f"{type(network).__name__} has no layer that gives a map; its stages cannot be reached.")
    return tuple(spread_over(names, count))
