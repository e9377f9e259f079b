"""What a recogniser says of plain pictures, for a network that shall say the same of transformed ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .context import FitContext


def distillation(context: FitContext) -> Callable[[Tensor, Tensor], Tensor]:
    """(positions, mirrored) -> (B, D): what the recogniser says of the plain pictures."""
    said = [context.embeddings(mirrored=mirrored) for mirrored in (False, True)]

    def wanted(index: Tensor, mirrored: Tensor) -> Tensor:
        plain, flipped = (side[index.to(side.device)] for side in said)
        return torch.where(mirrored.to(plain.device)[:, None], flipped, plain)

    return wanted
