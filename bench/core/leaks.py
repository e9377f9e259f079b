"""A leak is a tensor or a dict of tensors, batch first. These helpers treat both alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from .errors import InputError
from .seeding import Rng

Leak: TypeAlias = "Tensor | dict[str, Tensor]"


def leak_map(function: Callable[[Tensor], Tensor], leak: Leak) -> Leak:
    """``function`` applied to each tensor of the leak."""
    if isinstance(leak, dict):
        return {name: function(part) for name, part in leak.items()}
    return function(leak)


def leak_length(leak: Leak) -> int:
    """How many samples the leak holds.

    Raises:
        InputError: the parts of a dict disagree.
    """
    parts = list(leak.values()) if isinstance(leak, dict) else [leak]
    lengths = {int(part.shape[0]) for part in parts}
    if len(lengths) != 1:
        raise InputError(f"The parts of a leak must share their first dimension, got lengths {sorted(lengths)}.")
    return lengths.pop()


def leak_take(leak: Leak, index: Tensor | slice) -> Leak:
    """The samples at ``index``."""
    return leak_map(lambda part: part[index], leak)


def leak_cat(leaks: Sequence[Leak]) -> Leak:
    """Batches of one kind of leak, end to end."""
    first = leaks[0]
    if isinstance(first, dict):
        return {name: torch.cat([leak[name] for leak in leaks if isinstance(leak, dict)]) for name in first}
    return torch.cat([leak for leak in leaks if isinstance(leak, Tensor)])


def leak_part(leak: Leak, share: float, rng: Rng) -> Leak:
    """What is left of a leak of which ``share`` (0, 1] got out: of vectors the same random coordinates of every sample.

    Maps stay whole. At least one coordinate is left.
    """
    if share >= 1:
        return leak

    def cut(part: Tensor) -> Tensor:
        if part.ndim != 2:
            return part
        order = torch.randperm(part.shape[1], generator=rng.torch())
        return part[:, order[: max(1, round(share * part.shape[1]))].sort().values.to(part.device)]

    return leak_map(cut, leak)


def leak_shape(leak: Leak) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The shape of one sample, hashable and comparable: ``(("", (128,)),)`` for a plain tensor."""
    if isinstance(leak, dict):
        return tuple((name, tuple(part.shape[1:])) for name, part in sorted(leak.items()))
    return (("", tuple(leak.shape[1:])),)


def leak_bytes(leak: Leak) -> float:
    """Bytes of one sample as it would be stored or sent."""
    parts = list(leak.values()) if isinstance(leak, dict) else [leak]
    return sum(part[:1].numel() * part.element_size() for part in parts)


def leak_to(leak: Leak, device: torch.device) -> Leak:
    """The leak on ``device``."""
    return leak_map(lambda part: part.to(device), leak)


def flatten_leak(leak: Leak) -> Tensor:
    """(N, K) float32: everything the adversary holds of each sample, side by side."""
    parts = [leak[name] for name in sorted(leak)] if isinstance(leak, dict) else [leak]
    return torch.cat([part.float().flatten(1) for part in parts], dim=1)
