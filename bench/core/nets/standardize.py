"""Unit variance per coordinate (vectors) or per channel (pictures), with fixed statistics of the public split.

Without it learning rates and budgets do not transfer between recognisers, and channels whose scales differ by 10^4 make
an attacker's network fail and a defence look strong. Never computed from the attacked leaks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..leaks import Leak

# A channel that is constant on the public split carries nothing; dividing by its spread would only amplify rounding.
DEAD = 1e-6


class Standardize(nn.Module):
    """A leak (tensor or dict) -> one float tensor.

    Args:
        example: a leak of the shape to come. Vectors (N, K) stay vectors; maps (N, C, H, W) are brought to the largest
            plane and stacked by channel; vectors beside maps are spread over the plane.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, example: Leak) -> None:
        super().__init__()
        self.shape: tuple[int, ...] = tuple(_merge(example).shape[1:])
        width = (self.shape[0],) + (1,) * (len(self.shape) - 1)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    @property
    def is_map(self) -> bool:
        """Whether the standardised leak has a picture plane."""
        return len(self.shape) == 3

    def fit(self, leak: Leak) -> None:
        """Learn mean and scale from leaks of public images."""
        x = _merge(leak).double()
        axes = [0, *range(2, x.ndim)]
        mean, spread = x.mean(axes), x.std(axes, unbiased=False)
        self.mean.copy_(mean.float().reshape(self.mean.shape))
        self.scale.copy_(torch.where(spread > DEAD, 1 / spread, 0.0).float().reshape(self.scale.shape))

    def forward(self, leak: Leak) -> Tensor:
        """(N, K) or (N, C, H, W), about zero mean and unit variance."""
        return (_merge(leak) - self.mean) * self.scale


def _merge(leak: Leak) -> Tensor:
    parts = [leak[name] for name in sorted(leak)] if isinstance(leak, dict) else [leak]
    parts = [part.float() for part in parts]
    planes = [part.shape[-2:] for part in parts if part.ndim == 4]
    if not planes:
        return torch.cat([part.flatten(1) for part in parts], dim=1)
    size = max(planes, key=lambda plane: plane[0] * plane[1])
    spread = [
        F.interpolate(part, size, mode="bilinear") if part.ndim == 4 and part.shape[-2:] != size else part
        for part in parts
    ]
    maps = [p if p.ndim == 4 else p.flatten(1)[:, :, None, None].expand(-1, -1, *size) for p in spread]
    return torch.cat(maps, dim=1)
