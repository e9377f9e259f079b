"""MobileFaceNet (Chen et al., CCBR 2018, table 1): inverted residuals with PReLU and a global depthwise convolution.

About a million parameters, where the IResNets have tens of millions; the client's network of DuetFace.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

# Table 1: expansion, channels, how many, stride of the first.
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def _conv(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1, padding: int = -1) -> list[nn.Module]:
    """Convolution and batch norm, half a kernel of padding unless said otherwise."""
    around = kernel // 2 if padding < 0 else padding
    return [nn.Conv2d(c_in, c_out, kernel, stride, around, groups=groups, bias=False), nn.BatchNorm2d(c_out)]


class Bottleneck(nn.Module):
    """1x1 expansion, 3x3 depthwise, linear 1x1: (N, c_in, h, w) -> (N, c_out, h/stride, w/stride)."""

    def __init__(self, c_in: int, c_out: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = c_in * expand
        self.body = nn.Sequential(
            *_conv(c_in, hidden, 1), nn.PReLU(hidden), *_conv(hidden, hidden, 3, stride, hidden), nn.PReLU(hidden),
            *_conv(hidden, c_out, 1),
        )  # fmt: skip
        self.skip = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.skip else y


class MobileFaceNet(nn.Module):
    """Stem, four stages, embedding head.

    Args:
        in_channels: 3 for images; 27, 192, ... for what a wire defence sends.
        dim: D of the embedding; paper: 128.
        side: of the input, pixels; the global convolution is made for it (112: 7 x 7 cells).
    """

    def __init__(self, in_channels: int = 3, dim: int = 128, side: int = 112) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_conv(in_channels, 64, 3, 2), nn.PReLU(64), *_conv(64, 64, 3, 1, 64), nn.PReLU(64))
        blocks, c_in = [], 64
        for expand, width, count, stride in STAGES:
            made = [Bottleneck(c_in if k == 0 else width, width, stride if k == 0 else 1, expand) for k in range(count)]
            blocks.append(made)
            c_in = width
        last = nn.Sequential(*_conv(128, 512, 1), nn.PReLU(512))
        # Maps 4, 8, 16 and 16 times smaller than the input: (64, 28, 28), (128, 14, 14), (128, 7, 7), (512, 7, 7).
        stages = [blocks[0], blocks[1] + blocks[2], blocks[3] + blocks[4]]
        self.body = nn.Sequential(*(nn.Sequential(*stage) for stage in stages), last)
        cells = math.ceil(side / 16)
        self.head = nn.Sequential(*_conv(512, 512, cells, groups=512, padding=0), *_conv(512, dim, 1), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, side, side), centred values -> (N, dim) of any norm."""
        return self.head(self.body(self.stem(x)))  # type: ignore[no-any-return]
