"""A tensor that learns faster than the networks beside it: a noise budget, gates."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Brisk(nn.Module):
    """A tensor, zero at first, that learns ``times`` as fast as the networks trained beside it.

    Its value is times * theta and its gradient that of theta: Adam's steps do not depend on the size of a gradient, so
    the rate is multiplied without a second optimiser, and the norm that gradients are clipped by is left alone. Where
    the networks are trained by SGD, the training loop gives it an Adam of its own.
    """

    def __init__(self, shape: tuple[int, ...], times: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(shape))
        self.theta.adam = True  # type: ignore[attr-defined]
        self.times = times

    def forward(self) -> Tensor:
        return self.theta + (self.times - 1) * self.theta.detach()
