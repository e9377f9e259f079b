"""U-Net (Ronneberger et al., MICCAI 2015), the recovery network that papers on wire defences attack themselves with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from .decoder import norm


def double_conv(channels_in: int, channels_out: int) -> nn.Sequential:
    """Two 3x3 convolutions at one scale."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        norm(channels_out),
        nn.SiLU(),
        nn.Conv2d(channels_out, channels_out, 3, padding=1),
        norm(channels_out),
        nn.SiLU(),
    )


class UNetBody(nn.Module):
    """Down ``levels`` times, up again with the skipped maps beside: (N, C, H, W) -> (N, out, H, W), linear at the end.

    Args:
        channels: C of the input.
        out: channels of the output.
        width: channels at full resolution; doubled at each of ``levels`` halvings.
        levels: number of halvings; the sides must be divisible by 2^levels.
        block: (channels in, channels out) -> what happens at one scale.
    """

    def __init__(
        self, channels: int, out: int, width: int, levels: int, block: Callable[[int, int], nn.Module]
    ) -> None:
        super().__init__()
        widths = [width << i for i in range(levels + 1)]
        self.down = nn.ModuleList(block(a, b) for a, b in zip([channels, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(block(2 * a, a) for a in widths[:-1])
        self.head = nn.Conv2d(width, out, 1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out, H, W)."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = self.merge[level](torch.cat([self.up[level](x), skips[level]], dim=1))
        return self.head(x)  # type: ignore[no-any-return]


class UNet(UNetBody):
    """Map -> picture of the same side; arguments as in ``UNetBody``."""

    def __init__(self, channels: int, width: int = 24, levels: int = 4) -> None:
        super().__init__(channels, 3, width, levels, double_conv)

    def raw(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 3, H, W) before the sigmoid."""
        return super().forward(x)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 3, H, W) in [0, 1]."""
        return self.raw(x).sigmoid()
