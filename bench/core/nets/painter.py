"""Heat maps and a style -> a face: the geometry of one picture in the looks of another."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..faces import resize
from .decoder import norm
from .resnet import SMALL, ResNet


class Painter(nn.Module):
    """Style -> 4x4 -> n x (twice the side, the heat maps beside, 3x3 conv, group norm, SiLU) -> 3x3 conv -> sigmoid.

    Args:
        points: P, maps of a face.
        side: of the picture, a multiple of 8, at least 16.
        style: length of a style.
        width: channels at 4x4; they halve with each doubling of the side, not below 16.
    """

    def __init__(self, points: int, side: int, style: int = 64, width: int = 96) -> None:
        super().__init__()
        steps = max(1, (side // 4).bit_length() - 1)
        self.side, self.base = side, side >> steps
        widths = [max(16, width >> i) for i in range(steps + 1)]
        self.encoder = ResNet(3, style, widths=SMALL)
        self.stem = nn.Linear(style, widths[0] * self.base**2)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a + points, b, 3, padding=1), norm(b), nn.SiLU()) for a, b in pairwise(widths)
        )
        self.head = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def style(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, style); read at half the side, as looks are coarse."""
        return self.encoder(2 * resize(images, self.side // 2) - 1)  # type: ignore[no-any-return]

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """(N, P, h, h) maps of sum 1 and (N, style) -> (N, 3, side, side) in [0, 1]."""
        x = self.stem(style).unflatten(1, (-1, self.base, self.base))
        for block in self.blocks:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, _at(maps, x.shape[-1])], dim=1))
        return self.head(x).sigmoid()  # type: ignore[no-any-return]


def _at(maps: Tensor, side: int) -> Tensor:
    """Maps at another side, each scaled so that one that sits in one cell has 1 there."""
    if side >= maps.shape[-1]:
        return F.interpolate(maps, (side, side), mode="bilinear")
    return F.adaptive_avg_pool2d(maps, side) * (maps.shape[-1] / side) ** 2
