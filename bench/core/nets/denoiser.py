"""The network of a conditional diffusion model: a U-Net of residual blocks that a vector and the noise level steer.

After Dhariwal and Nichol, "Diffusion Models Beat GANs on Image Synthesis", NeurIPS 2021 (ADM): residual blocks, scale
and shift after the second norm, attention. Smaller, with attention at the coarsest scale only. Two things are our own,
for short trainings: squares of ``patch`` x ``patch`` pixels are stacked as channels before the first convolution (no
information is lost), and the vector also enters the coarsest map as a picture: scale and shift alone say nothing about
where, and a short training does not learn that from noise.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from .decoder import norm
from .diffusion import TIMES


class FilmBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, scaled and shifted by a vector (FiLM); the identity to begin with.

    Args:
        channels_in: of the map.
        channels_out: of the result.
        dim: length of the vector.
    """

    def __init__(self, channels_in: int, channels_out: int, dim: int) -> None:
        super().__init__()
        self.first = nn.Sequential(norm(channels_in), nn.SiLU(), nn.Conv2d(channels_in, channels_out, 3, padding=1))
        self.film = nn.Linear(dim, 2 * channels_out)
        self.norm = norm(channels_out)
        self.second = nn.Sequential(nn.SiLU(), zeroed(nn.Conv2d(channels_out, channels_out, 3, padding=1)))
        same = channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        """(N, channels_in, h, w) and (N, dim) -> (N, channels_out, h, w)."""
        scale, shift = self.film(e)[:, :, None, None].chunk(2, dim=1)
        return self.shortcut(x) + self.second(self.norm(self.first(x)) * (1 + scale) + shift)


class Attention(nn.Module):
    """Every place of a map looks at every other one; adds nothing to begin with.

    Args:
        channels: of the map.
        heads: among which the channels are divided.
    """

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = norm(channels)
        self.ask = nn.Conv2d(channels, 3 * channels, 1)
        self.answer = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h, w)."""
        n, c, h, w = x.shape
        parts = self.ask(self.norm(x)).reshape(n, 3, self.heads, c // self.heads, h * w).transpose(3, 4)
        query, key, value = parts.unbind(1)
        seen = F.scaled_dot_product_attention(query, key, value)  # (N, heads, h w, C / heads)
        return x + self.answer(seen.transpose(2, 3).reshape(n, c, h, w))


class Denoiser(nn.Module):
    """Noisy picture, noise level, condition -> noise or velocity.

    Args:
        dim: length of the condition.
        size: side of the pictures, pixels.
        width: channels at the finest scale, a multiple of 4 and at least ``channels`` ``patch``^2, since all of the
            noise must pass; doubled at each halving.
        levels: halvings.
        patch: side of the squares that are stacked as channels, pixels.
        channels: C of the pictures; others than 3 where they are latents.

    Raises:
        InputError: ``size`` is not divisible by ``patch`` 2^``levels``, or ``width`` not by 4, or too small.
    """

    def __init__(self, dim: int, size: int, width: int, levels: int, patch: int, channels: int = 3) -> None:
        super().__init__()
        pixels = channels * patch**2
        if size % (patch << levels) or width % 4 or width < pixels:
            raise InputError(
                f"A denoiser needs a side divisible by patch * 2^levels, {patch << levels}, and a width divisible by 4 "
                f"and at least {channels} patch^2, {pixels}; got side {size} and width {width}."
            )
        widths = [width << level for level in range(levels + 1)]
        e, grid = 4 * width, size // (patch << levels)
        self.patch, self.width = patch, width
        self.time = nn.Sequential(nn.Linear(width, e), nn.SiLU(), nn.Linear(e, e))
        self.vector = nn.Linear(dim, e)
        self.place = nn.Sequential(
            nn.Linear(dim, width * grid**2), nn.Unflatten(1, (width, grid, grid)), nn.Conv2d(width, widths[-1], 1)
        )
        self.enter = nn.Conv2d(pixels, width, 3, padding=1)
        self.down = nn.ModuleList(FilmBlock(a, a, e) for a in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, 2 * a, 3, 2, 1) for a in widths[:-1])
        self.middle = nn.ModuleList([FilmBlock(widths[-1], widths[-1], e) for _ in range(2)])
        self.attend = Attention(widths[-1])
        self.grow = nn.ModuleList(nn.Conv2d(2 * a, a, 3, padding=1) for a in widths[:-1])
        self.up = nn.ModuleList(FilmBlock(2 * a, a, e) for a in widths[:-1])
        self.leave = nn.Sequential(norm(width), nn.SiLU(), zeroed(nn.Conv2d(width, pixels, 3, padding=1)))

    def forward(self, noisy: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """What the noise (or the velocity) in pictures is.

        Args:
            noisy: (N, C, size, size).
            t: (N,) int64 in [0, TIMES).
            z: (N, dim) about unit variance; all zeros: no condition.

        Returns:
            (N, C, size, size).
        """
        e = F.silu(self.time(waves(t, self.width)) + self.vector(z))
        x = self.enter(F.pixel_unshuffle(noisy, self.patch))
        skips: list[Tensor] = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            skips.append(block(x, e))
            x = shrink(skips[-1])
        x = self.middle[0](x + self.place(z), e)
        x = self.middle[1](self.attend(x), e)
        for level in reversed(range(len(self.up))):
            x = self.grow[level](F.interpolate(x, scale_factor=2.0))
            x = self.up[level](torch.cat([x, skips[level]], dim=1), e)
        return F.pixel_shuffle(self.leave(x), self.patch)


def waves(t: Tensor, width: int) -> Tensor:
    """(N,) noise levels -> (N, width): sines and cosines of ``width / 2`` frequencies, from 1 down to 1 / TIMES."""
    rate = torch.exp(-math.log(TIMES) * torch.arange(width // 2, device=t.device) / (width // 2))
    angle = t[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """``layer`` with all weights zero, so that what it ends adds nothing before it has learnt."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
