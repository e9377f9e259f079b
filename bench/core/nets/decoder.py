"""Decoders: a vector or a small map -> a picture."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class UpDecoder(nn.Module):
    """Linear -> 4x4 -> n x (nearest up-sampling, 3x3 conv, group norm, SiLU) -> 3x3 conv -> sigmoid.

    Group norm rather than batch norm: a sample's picture must not depend on its batch mates.

    Args:
        dim: length of the vector.
        size: side of the picture, a multiple of 8, at least 16.
        width: channels at 4x4; they halve with each doubling of the side, not below 16.
    """

    def __init__(self, dim: int, size: int = 64, width: int = 96) -> None:
        super().__init__()
        steps = max(1, (size // 4).bit_length() - 1)
        self.base = size >> steps  # 4 for 64, 7 for 112
        widths = [max(16, width >> i) for i in range(steps + 1)]
        self.width = widths[0]
        self.stem = nn.Linear(dim, self.width * self.base**2)
        self.blocks = nn.Sequential(*(up_block(a, b) for a, b in pairwise(widths)))
        self.head = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def raw(self, z: Tensor) -> Tensor:
        """(N, dim) -> (N, 3, size, size) before the sigmoid."""
        x = self.stem(z).reshape(-1, self.width, self.base, self.base)
        return self.head(self.blocks(x))  # type: ignore[no-any-return]

    def forward(self, z: Tensor) -> Tensor:
        """(N, dim) -> (N, 3, size, size) in [0, 1]."""
        return self.raw(z).sigmoid()


def up_block(channels_in: int, channels_out: int) -> nn.Sequential:
    """Doubles the side."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        norm(channels_out),
        nn.SiLU(),
    )


def norm(channels: int) -> nn.GroupNorm:
    """Group norm with groups of about eight channels."""
    groups = max(1, channels // 8)
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels)
