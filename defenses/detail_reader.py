"""What of a picture's detail the noisy colours of LDP-Slicing tell, and the picture that this makes likely.

Ours. A detail near zero has its sign in most of its bits (127 is 01111111, 128 is 10000000): what a colour says of it
is no straight line. So the mean detail behind each colour is counted over train pictures (colours to ``BITS`` bits,
rare ones leaning on those around them), which explains 37 % of Y's variance on LFW's faces where a straight line
explains 14 %. With rho the share explained, mean / rho is the detail plus noise of variance var (1 - rho) / rho, and
Wiener's estimate brings back what the means of the blocks were.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..bench.core.nets.inverse import Wiener

BITS = 5  # of a colour; with 4 and 6 Y's share is .35 and .38
LEAN = 20.0  # pixels' worth of trust in the cell of eight around a colour


class DetailInverse(Wiener):
    """From each pixel's difference to the mean of its 2x2 block back to the picture.

    Args:
        side: even, pixels.
    """

    blocks: Tensor

    def __init__(self, side: int) -> None:
        super().__init__(side, noise=1.0)  # until it is known
        blocks = torch.kron(torch.eye(side // 2), torch.full((2, 2), 0.5))
        self.register_buffer("blocks", blocks, persistent=False)

    def adjoint(self, wire: Tensor, choice: Tensor) -> Tensor:
        return wire - self.blocks @ wire @ self.blocks

    def normal(self, planes: Tensor, terms: Tensor) -> Tensor:
        return planes - self.blocks @ planes @ self.blocks  # a projection, hence its own square

    def diagonal(self, choice: Tensor) -> Tensor:
        axis = (self.basis @ self.blocks @ self.basis.T).diagonal()
        return 1 - axis[:, None] * axis


class DetailReader(nn.Module):
    """Noisy picture -> picture.

    Args:
        side: even, pixels.
    """

    table: Tensor
    share: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.inverse = DetailInverse(side)
        self.register_buffer("table", torch.zeros(8**BITS, 3))
        self.register_buffer("share", torch.ones(3))

    def forward(self, wire: Tensor) -> Tensor:
        """(N, 3, side, side) in [0, 1], 8 bits a value -> the same shape, in [0, 1]."""
        return self.inverse(self.detail(wire) / self.share[:, None, None])  # type: ignore[no-any-return]

    def detail(self, wire: Tensor) -> Tensor:
        """(N, 3, side, side) the mean detail of Y, Cb and Cr behind each colour, on the scale of 8-bit pixels."""
        return self.table[cells(wire, BITS)].movedim(-1, 1)

    def fit(self, images: Tensor) -> None:
        """Mean and spectrum of (n, 3, side, side) pictures."""
        self.inverse.fit(images)

    @torch.no_grad()
    def learn(self, seen: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Count.

        Args:
            seen: batches of what travelled and of the detail behind it, (N, 3, side, side) each.
        """
        count, total = self.table.new_zeros(len(self.table), 1), torch.zeros_like(self.table)
        squares = self.table.new_zeros(3)
        for wire, detail in seen:
            cell, wanted = cells(wire, BITS).flatten(), detail.movedim(1, -1).flatten(0, -2)
            total.index_add_(0, cell, wanted)
            count.index_add_(0, cell, torch.ones_like(wanted[:, :1]))
            squares += wanted.square().sum(0)
        around = _around(total) / (_around(count) + LEAN)
        self.table.copy_((total + LEAN * around) / (count + LEAN))
        self.share.copy_(((self.table * total).sum(0) / squares.clamp(min=1e-6)).clamp(1e-3, 1 - 1e-3))
        noise = squares / count.sum() * (1 - self.share) / self.share
        self.inverse.noise.copy_(noise.clamp(min=1e-3)[:, None, None])


def cells(wire: Tensor, bits: int) -> Tensor:
    """(N, 3, h, w) in [0, 1] -> (N, h, w) int64, which of ``8 ** bits`` colours."""
    levels = (wire * 255).round().long() >> (8 - bits)
    r, g, b = levels.unbind(1)
    return (r << 2 * bits) | (g << bits) | b


def _around(counted: Tensor) -> Tensor:
    """(8 ** BITS, K) sums -> the same shape, each cell that of the cube of eight in which it lies."""
    side = 1 << (BITS - 1)
    cube = counted.reshape(side, 2, side, 2, side, 2, -1).sum((1, 3, 5), keepdim=True)
    return cube.expand(-1, 2, -1, 2, -1, 2, -1).reshape(counted.shape)
