"""A picture that linear algebra draws, and what a network learns to add to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHARES = (1.0, 0.75, 0.5, 0.25)  # of what was learnt, tried from the whole down
# The line has the least squared error: whatever makes its picture more like the person costs some of it (the trade of
# distortion for perception, Blau and Michaeli, CVPR 2018). So much of mean |y - x| may be paid, not more.
PRICE = 0.02


class OnTop(nn.Module, ABC):
    """line(z) + share x net(z), the line linear: before any training it is the line, not grey.

    Args:
        net: has ``raw``: what is read -> (N, 3, s, s), and ``head``, its last layer, which is set to zero.
    """

    weight: Tensor
    offset: Tensor
    share: Tensor

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("share", torch.ones(()))
        self._silence()

    @abstractmethod
    def line(self, z: Tensor) -> Tensor:
        """(N, ...) -> (N, 3, s, s), not clamped."""

    def begin(self, weight: Tensor, offset: Tensor) -> None:
        """Set the line, in the shapes of its buffers."""
        self.weight.copy_(weight)
        self.offset.copy_(offset)

    def start(self, z: Tensor) -> Tensor:
        """(N, ...) -> (N, 3, s, s) in [0, 1]: the line alone."""
        return self.line(z).clamp(0, 1)

    def forward(self, z: Tensor) -> Tensor:
        """(N, ...) -> (N, 3, s, s) in [0, 1]."""
        return (self.line(z) + self.share * self.net.raw(z)).clamp(0, 1)  # type: ignore[operator]

    def _silence(self) -> None:
        nn.init.zeros_(self.net.head.weight)  # type: ignore[arg-type, union-attr]
        nn.init.zeros_(self.net.head.bias)  # type: ignore[arg-type, union-attr]

    def restart(self) -> None:
        """The network's first weights anew, where they must not depend on the networks that were built before it."""
        for module in self.net.modules():
            reset = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()
        self._silence()

    @torch.no_grad()
    def settle(self, z: Tensor, x: Tensor, likeness: Callable[[Tensor], Tensor]) -> float:
        """Keep as much of what was learnt as does people good that it was not learnt from.

        Args:
            z: (n, ...) what is read of held-out people.
            x: (n, 3, s, s) their pictures.
            likeness: pictures (n, 3, s, s) -> (n,) how much they are the people's, a cosine.

        Returns:
            The share kept: that with the greatest mean likeness among those that are more alike than the start at no
            more than ``PRICE`` of its mean |y - x|, or no less alike at none; 0, the start itself, where none is.
        """

        def judged(share: float) -> tuple[float, float]:
            self.share.fill_(share)
            y = torch.cat([self(part) for part in z.split(32)])
            return float(likeness(y).mean()), float((y - x).abs().mean())

        alike, apart = judged(0.0)
        found = {share: judged(share) for share in SHARES}
        price = {share: PRICE if likely > alike else 0.0 for share, (likely, _) in found.items() if likely >= alike}
        good = [share for share, paid in price.items() if found[share][1] <= (1 + paid) * apart]
        best = max(good, key=lambda share: found[share][0], default=0.0)
        self.share.fill_(best)
        return best


class Begun(OnTop):
    """On vectors.

    Args:
        dim: length of the vector, K.
        size: side of the picture, s.
        net: (N, K) -> (N, 3, s, s).

    Attributes:
        weight: (K, 3 s s).
        offset: (3 s s,).
    """

    def __init__(self, dim: int, size: int, net: nn.Module) -> None:
        super().__init__(net)
        self.size = size
        self.register_buffer("weight", torch.zeros(dim, 3 * size * size))
        self.register_buffer("offset", torch.full((3 * size * size,), 0.5))

    def line(self, z: Tensor) -> Tensor:
        """(N, K) -> (N, 3, s, s), not clamped."""
        return torch.addmm(self.offset, z, self.weight).reshape(-1, 3, self.size, self.size)


class BegunMap(OnTop):
    """On maps of the picture's side.

    Args:
        channels: C of the map.
        side: k of the neighbourhood that a pixel is taken from, odd.
        net: (N, C, s, s) -> (N, 3, s, s).

    Attributes:
        weight: (3, C, k, k).
        offset: (3,).
    """

    def __init__(self, channels: int, side: int, net: nn.Module) -> None:
        super().__init__(net)
        self.register_buffer("weight", torch.zeros(3, channels, side, side))
        self.register_buffer("offset", torch.full((3,), 0.5))

    def line(self, z: Tensor) -> Tensor:
        """(N, C, s, s) -> (N, 3, s, s), not clamped."""
        edge = self.weight.shape[-1] // 2
        return F.conv2d(F.pad(z, (edge,) * 4, mode="replicate") if edge else z, self.weight, self.offset)
