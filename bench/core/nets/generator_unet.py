"""A U-Net (Ronneberger et al., MICCAI 2015) without norms that maps a stack of channels to as many channels.

Unlike ``UNet``, which draws pictures, it ends linearly, and nothing in it divides by statistics of the sample, so the
size of the input reaches the output.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class GeneratorUNet(nn.Module):
    """(N, C, H, W) -> (N, C, H, W); says zero until it is trained.

    Args:
        channels: C.
        width: channels at full resolution; doubled at each of ``levels`` halvings.
        levels: number of halvings; the sides must be divisible by 2^levels.
    """

    def __init__(self, channels: int, width: int = 8, levels: int = 3) -> None:
        super().__init__()
        widths = [width << i for i in range(levels + 1)]
        self.down = nn.ModuleList(_double_conv(a, b) for a, b in zip([channels, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(_double_conv(2 * a, a) for a in widths[:-1])
        self.head = nn.Conv2d(width, channels, 1)
        self.pool = nn.MaxPool2d(2)
        for layer in self.modules():
            # torch's own start shrinks the signal by 2.4 per layer; without norms nothing would undo that.
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) of about unit size -> (N, C, H, W)."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = self.merge[level](torch.cat([self.up[level](x), skips[level]], dim=1))
        return self.head(x)  # type: ignore[no-any-return]


def _double_conv(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels_out, channels_out, 3, padding=1),
        nn.ReLU(),
    )
