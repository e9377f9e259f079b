"""What tells the channels of a transform apart, whoever is shown: how strong each is, and how smooth."""

from __future__ import annotations

import torch
from torch import Tensor

MARKS = 3  # per channel


def channel_marks(x: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, 3 C): log strength, and correlation of neighbours along columns and rows, of every channel.

    In double precision within; neighbours of a constant channel are uncorrelated.
    """
    x = x.double()
    x = x - x.mean((2, 3), keepdim=True)
    power = x.square().mean((2, 3)).clamp(min=1e-12)
    down = (x[:, :, 1:] * x[:, :, :-1]).mean((2, 3)) / power
    across = (x[..., 1:] * x[..., :-1]).mean((2, 3)) / power
    return torch.cat([power.log(), down, across], dim=1).float()
