"""An invertible network of affine couplings on Haar bands: one picture hidden in another, opened with a key map.

After HiNet (Jing et al., ICCV 2021) with the key of PRO-Face S (Yuan et al., arXiv 2307.09146) beside the input of
every sub-network. Pictures lie in [-1, 1], their sides are even.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLAMP = 2.0  # c: a coupling scales by no more than exp(c) and no less than exp(-c)
BANDS = 4


def haar(x: Tensor) -> Tensor:
    """(N, C, H, W), H and W even -> (N, 4 C, H/2, W/2): one orthonormal level, all means first, then the details."""
    top, bottom = x[..., ::2, :], x[..., 1::2, :]
    a, b, c, d = top[..., ::2], top[..., 1::2], bottom[..., ::2], bottom[..., 1::2]
    return torch.cat([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], dim=1) / 2


def unhaar(bands: Tensor) -> Tensor:
    """The inverse of ``haar``: (N, 4 C, h, w) -> (N, C, 2 h, 2 w)."""
    mean, across, down, both = bands.chunk(BANDS, dim=1)
    top = torch.stack([mean + across + down + both, mean - across + down - both], dim=-1).flatten(-2)
    bottom = torch.stack([mean + across - down - both, mean - across - down + both], dim=-1).flatten(-2)
    return torch.stack([top, bottom], dim=-2).flatten(-3, -2) / 2


class DenseNet5(nn.Module):
    """Five 3x3 convolutions, each sees all maps before it: (N, c_in, h, w) -> (N, c_out, h, w). It starts at 0."""

    def __init__(self, c_in: int, c_out: int, growth: int) -> None:
        super().__init__()
        widths = [(c_in + i * growth, growth) for i in range(4)] + [(c_in + 4 * growth, c_out)]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in widths)
        self.act = nn.LeakyReLU(0.2)
        for conv in self.convs:
            nn.init.normal_(conv.weight, std=0.01)  # type: ignore[arg-type]
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.convs[-1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) -> (N, c_out, h, w)."""
        for conv in self.convs[:-1]:
            x = torch.cat([x, self.act(conv(x))], dim=1)
        return self.convs[-1](x)  # type: ignore[no-any-return]


class Coupling(nn.Module):
    """One affine block on two stacks of ``channels`` bands each, and its inverse in closed form."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.phi, self.psi, self.eta, self.rho = (DenseNet5(channels + BANDS, channels, growth) for _ in range(4))

    def forward(self, x1: Tensor, x2: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """y1 = e(psi(x2)) x1 + phi(x2), then y2 = e(rho(y1)) x2 + eta(y1); ``key`` stands beside every input."""
        seen = torch.cat([x2, key], dim=1)
        y1 = scale(self.psi(seen)) * x1 + self.phi(seen)
        seen = torch.cat([y1, key], dim=1)
        return y1, scale(self.rho(seen)) * x2 + self.eta(seen)

    def inverse(self, y1: Tensor, y2: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """x1 and x2 of ``forward``, with the same key."""
        seen = torch.cat([y1, key], dim=1)
        x2 = (y2 - self.eta(seen)) / scale(self.rho(seen))
        seen = torch.cat([x2, key], dim=1)
        return (y1 - self.phi(seen)) / scale(self.psi(seen)), x2


def scale(s: Tensor) -> Tensor:
    """e(s) = exp(2 c (sigmoid(s) - 1/2)): positive, and 1 at 0."""
    return (2 * CLAMP * (s.sigmoid() - 0.5)).exp()


class SecureFlow(nn.Module):
    """Cover and original -> a picture like the cover; that picture and the key -> the original.

    Args:
        blocks: affine couplings.
        growth: channels that each convolution of a sub-network adds.
    """

    def __init__(self, blocks: int, growth: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(Coupling(3 * BANDS, growth) for _ in range(blocks))

    def forward(self, cover: Tensor, original: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Lossless.

        Args:
            cover: (N, 3, H, W) what the result should look like.
            original: (N, 3, H, W) what it should hide.
            key: (N, 1, H, W) of -1 and 1.

        Returns:
            The published picture (N, 3, H, W), not clipped, and (N, 12, H/2, W/2) what is left over.
        """
        y1, y2, k = haar(cover), haar(original), haar(key)
        for coupling in self.couplings:
            y1, y2 = coupling(y1, y2, k)
        return unhaar(y1), y2

    def inverse(self, published: Tensor, rest: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Cover and original, (N, 3, H, W) each, of what ``forward`` returned."""
        x1, x2, k = haar(published), rest, haar(key)
        for coupling in reversed(self.couplings):
            assert isinstance(coupling, Coupling)
            x1, x2 = coupling.inverse(x1, x2, k)
        return unhaar(x1), unhaar(x2)

    def open(self, published: Tensor, key: Tensor) -> Tensor:
        """(N, 3, H, W) the original without what was left over: the key stands in for it, "secret as noise"."""
        return self.inverse(published, haar(key).repeat(1, 3, 1, 1), key)[1]
