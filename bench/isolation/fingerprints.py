"""Judges are what they were: hashes of their weights, taken when they are built and compared after each cell."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import nn

from ..core.errors import ContractError


def fingerprint(module: nn.Module) -> str:
    """sha256 of a network's weights and of the hooks that hang on it."""
    state = hashlib.sha256()
    for name, tensor in module.state_dict(keep_vars=True).items():
        state.update(name.encode())
        state.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    hooks = [name for name, one in module.named_modules() if one._forward_hooks or one._forward_pre_hooks]
    replaced = [name for name, one in module.named_modules() if "forward" in vars(one)]
    state.update(repr((hooks, replaced)).encode())
    return state.hexdigest()


def check_judges(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Refuse a cell that changed what judges it.

    Raises:
        ContractError: names the recognisers that are no longer what they were.
    """
    changed = [alias for alias in before if before[alias] != after[alias]]
    if changed:
        raise ContractError(
            f"{', '.join(changed)}: the weights are not what they were when the cell began; a plug-in wrote into them. "
            "Nothing that this run measures from here on counts: end it, and look at the plug-in."
        )
