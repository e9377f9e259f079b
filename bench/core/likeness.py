"""How alike two pictures are to a set of recognisers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def feature_distance(recognizers: Sequence[nn.Module], a: Tensor, b: Tensor) -> Tensor:
    """One minus the cosine of the embeddings, averaged over the recognisers.

    Args:
        recognizers: (N, 3, H, W) in [0, 1] -> (N, D) of unit norm.
        a: (N, 3, H, W); what lies outside [0, 1] is clipped.
        b: the same.

    Returns:
        (N,) in [0, 2].
    """
    pairs = [[one(x.clamp(0, 1)) for x in (a, b)] for one in recognizers]
    return torch.stack([1 - (za * zb).sum(1) for za, zb in pairs]).mean(0)
