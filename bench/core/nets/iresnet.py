"""IResNet, the residual networks of ArcFace, in insightface's layout: its published state dicts load strictly.

Deng et al., "ArcFace", CVPR 2019 (the "improved residual unit" of Han et al., CVPR 2017: BN-Conv-BN-PReLU-Conv-BN), in
the names and order of insightface's `arcface_torch`: conv1, bn1, prelu, layer1 .. layer4 (units bn1, conv1, bn2, prelu,
conv2, bn3, downsample), bn2, dropout, fc, features. IR-50 with 512 dimensions at 112 pixels has 43.59 M parameters.
"""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn

from ..precision import exactly

Depth = Literal[18, 34, 50, 100]
UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}
WIDTHS = (64, 128, 256, 512)


class Unit(nn.Module):
    """shortcut(x) + F(x): (N, c_in, h, w) -> (N, c_out, h/stride, w/stride), no activation after the sum."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.prelu = nn.PReLU(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.downsample: nn.Module | None = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return y + (x if self.downsample is None else self.downsample(x))  # type: ignore[no-any-return]


class IResNet(nn.Module):
    """Stem, four stages that each halve the map, embedding head.

    Args:
        depth: 18, 34, 50 or 100.
        in_channels: 3 for images; 27, 192, ... for what a wire defence sends.
        dim: D of the embedding.
        side: of the input, pixels; the head is made for it (112: 7 x 7 cells, as published).
        dropout: before the head, in training.
    """

    def __init__(self, depth: int, in_channels: int = 3, dim: int = 512, side: int = 112, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.prelu = nn.PReLU(WIDTHS[0])
        c_in = WIDTHS[0]
        for stage, (width, units) in enumerate(zip(WIDTHS, UNITS[depth], strict=True), 1):
            first, rest = Unit(c_in, width, 2), (Unit(width, width, 1) for _ in range(units - 1))
            self.add_module(f"layer{stage}", nn.Sequential(first, *rest))
            c_in = width
        self.bn2 = nn.BatchNorm2d(c_in)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(c_in * math.ceil(side / 16) ** 2, dim)
        self.features = nn.BatchNorm1d(dim)
        self.features.weight.requires_grad_(False)  # 1, as published: the length of an embedding carries nothing
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0, 0.1)

    @property
    def body(self) -> tuple[nn.Module, ...]:
        """The four stages: each halves the map."""
        return tuple(self.get_submodule(f"layer{stage}") for stage in (1, 2, 3, 4))

    def stem(self, x: Tensor) -> Tensor:
        """(N, in_channels, side, side) -> (N, 64, side, side)."""
        return self.prelu(self.bn1(self.conv1(x)))  # type: ignore[no-any-return]

    def head(self, x: Tensor) -> Tensor:
        """(N, 512, side/16, side/16) -> (N, dim)."""
        x = self.dropout(self.bn2(x)).flatten(1)
        with exactly(x.device):  # as published: embeddings are not made in 16 bits
            return self.features(self.fc(x.float()))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, side, side), centred values -> (N, dim) of any norm."""
        x = self.stem(x)
        for stage in self.body:
            x = stage(x)
        return self.head(x)
