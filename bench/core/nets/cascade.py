"""Cascaded deconvolution (Otroshi Shahreza, Krivokuca Hahn, Marcel, TIFS 2024), the net of white-box inversion."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..errors import InputError

# Paddings of the doublings after the first 4x4 map: a step makes 2 h + 2 - 2 p of h. 112 is the paper's.
_PADDINGS = {32: (1, 1, 1), 64: (1, 1, 1, 1), 112: (1, 1, 2, 2, 3), 128: (1, 1, 1, 1, 1)}


class CascadeStage(nn.Module):
    """Transposed convolution d, then three 3x3 convolutions c in a row on it: d + c."""

    def __init__(self, channels_in: int, channels: int, stride: int, padding: int) -> None:
        super().__init__()
        self.up = nn.Sequential(
            nn.ConvTranspose2d(channels_in, channels, 4, stride, padding), nn.BatchNorm2d(channels), nn.ReLU()
        )
        convs: list[nn.Module] = []
        for _ in range(3):
            convs += [nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
        self.cascade = nn.Sequential(*convs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, h, w) -> (N, C, h', w')."""
        d: Tensor = self.up(x)
        return d + self.cascade(d)


class CascadeDecoder(nn.Module):
    """Vector -> picture.

    Args:
        dim: length of the vector.
        size: side of the picture: 32, 64, 112 or 128.
        width: channels at 4x4; they halve with each doubling, not below 8. Paper: 512, for 112 pixels.

    Raises:
        InputError: another side.
    """

    def __init__(self, dim: int, size: int, width: int) -> None:
        super().__init__()
        if size not in _PADDINGS:
            raise InputError(f"The cascaded decoder draws pictures of side {sorted(_PADDINGS)}, got {size}.")
        widths = [max(8, width >> i) for i in range(len(_PADDINGS[size]) + 1)]
        stages: list[nn.Module] = [CascadeStage(dim, widths[0], 1, 0)]
        stages += [CascadeStage(a, b, 2, p) for (a, b), p in zip(pairwise(widths), _PADDINGS[size], strict=True)]
        self.body = nn.Sequential(*stages)
        self.head = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def raw(self, z: Tensor) -> Tensor:
        """(N, dim) -> (N, 3, size, size) before the sigmoid."""
        return self.head(self.body(z[:, :, None, None]))  # type: ignore[no-any-return]

    def forward(self, z: Tensor) -> Tensor:
        """(N, dim) -> (N, 3, size, size) in [0, 1]."""
        return torch.sigmoid(self.raw(z))
