"""SlerpFace's head on a recogniser's last map: a group of numbers for each of its cells, and an attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cells_of(maps: Tensor, side: int) -> Tensor:
    """(N, C, h, w) -> (N, C, h', w'), averaged to at most ``side`` cells per side."""
    height, width = maps.shape[-2:]
    return maps if max(height, width) <= side else F.adaptive_avg_pool2d(maps, (min(side, height), min(side, width)))


class GroupHead(nn.Module):
    """1x1 convolution, batch norm, PReLU to a few numbers per cell; three convolutions to the attention.

    Args:
        channels: C of the map.
        dims: numbers per cell.
        width: channels between the attention's convolutions.
    """

    def __init__(self, channels: int, dims: int, width: int) -> None:
        super().__init__()
        self.groups = nn.Sequential(nn.Conv2d(channels, dims, 1, bias=False), nn.BatchNorm2d(dims), nn.PReLU(dims))
        self.attend = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width),
            nn.Conv2d(width, 1, 1),
        )  # fmt: skip
        last = self.attend[-1]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]  # uniform attention before anything is learnt
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, maps: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (N, C, h, w) of pictures and of their mirror images -> groups (N, h w, dims) of unit length, attention.

        The attention is (N, h w), sum 1.
        """
        groups = (self.groups(maps) + self.groups(mirrored)).flatten(2).transpose(1, 2)
        weights = (self.attend(maps) + self.attend(mirrored)).flatten(1)
        return F.normalize(groups, dim=2), weights.softmax(dim=1)


def joined(groups: Tensor, attention: Tensor) -> Tensor:
    """Groups (N, G, d) of unit length and their attention (N, G) -> (N, G d) of unit length."""
    return F.normalize((groups * attention[..., None]).flatten(1), dim=1)


def parted(z: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """What was ``joined``, apart again."""
    groups = z.unflatten(1, (-1, dims))
    lengths = torch.linalg.vector_norm(groups, dim=2)
    return F.normalize(groups, dim=2), lengths / lengths.sum(dim=1, keepdim=True)
