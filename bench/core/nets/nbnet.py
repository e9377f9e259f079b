"""Neighbourly deconvolution (Mai et al., TPAMI 2019), variant B: every layer sees all channels before it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class NeighbourlyBlock(nn.Module):
    """``layers`` times: BN, ReLU, 3x3 convolution to ``growth`` channels, put beside all that was there.

    Args:
        channels: of the input.
        layers: how many.
        growth: channels that each adds.
    """

    def __init__(self, channels: int, layers: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(channels + i * growth), nn.ReLU(),
                nn.Conv2d(channels + i * growth, growth, 3, padding=1, bias=False),
            )
            for i in range(layers)
        )  # fmt: skip
        self.channels = channels + layers * growth

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C + layers growth, h, w)."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class NbNet(nn.Module):
    """Vector -> picture.

    Args:
        dim: length of the vector.
        start: side of the first map; the picture's is ``start`` x 2^(len(widths) - 1). Paper: 5, for 160 pixels.
        widths: channels at each side. Paper: 256, 128, 64, 32, 16, 8.
        layers: in the block at each side. Paper: 32, 16, 8, 4, 2, 1.
        growth: channels that each layer adds. Paper: 8.
    """

    def __init__(self, dim: int, start: int, widths: Sequence[int], layers: Sequence[int], growth: int) -> None:
        super().__init__()
        modules: list[nn.Module] = [nn.ConvTranspose2d(dim, widths[0], start)]
        blocks = [NeighbourlyBlock(width, count, growth) for width, count in zip(widths, layers, strict=True)]
        for block, (_, after) in zip(blocks, pairwise(widths), strict=False):
            up = nn.ConvTranspose2d(block.channels, after, 4, stride=2, padding=1)
            modules += [block, nn.BatchNorm2d(block.channels), nn.ReLU(), up]
        last = blocks[-1]
        modules += [last, nn.BatchNorm2d(last.channels), nn.ReLU()]
        self.body = nn.Sequential(*modules)
        self.head = nn.Conv2d(last.channels, 3, 1)
        self.apply(_initialise)

    def raw(self, z: Tensor) -> Tensor:
        """(N, dim) -> (N, 3, s, s) before the hyperbolic tangent."""
        return self.head(self.body(z[:, :, None, None]))  # type: ignore[no-any-return]

    def forward(self, z: Tensor) -> Tensor:
        """(N, dim) -> (N, 3, s, s) in [0, 1]."""
        return (self.raw(z).tanh() + 1) / 2


def _initialise(module: nn.Module) -> None:
    """N(0, 0.02), as released."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, std=0.02)
