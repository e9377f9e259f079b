"""Landmarks as heat maps: one map for each point, high where the point is (hourglasses, Newell et al., ECCV 2016).

The maps of a point are logits of a distribution over places. They learn by cross-entropy with a small Gaussian about
the true place,
  L = - mean over points sum_cells t log softmax(y),
and the point is that distribution's mean. Squared error on the maps instead mostly learns that they are nearly empty.
Faces are aligned, so that the net begins with where each point lies on average and learns what differs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..faces import resize
from .decoder import norm
from .unet import UNetBody, double_conv


def spots(points: Tensor, side: int, sigma: float = 1.0) -> Tensor:
    """A Gaussian about each point, as a distribution over the cells of a map.

    Args:
        points: (N, P, 2) x and y as shares of the side; those outside count as on the border.
        side: of the maps, cells.
        sigma: standard deviation, cells.

    Returns:
        (N, P, side, side), each map of sum 1.
    """
    cells = torch.arange(side, dtype=points.dtype, device=points.device)
    away = (cells - (points.clamp(0, 1) * side - 0.5)[..., None]) / sigma  # (N, P, 2, side)
    x, y = (-0.5 * away.square()).softmax(-1).unbind(2)
    return y[..., :, None] * x[..., None, :]


def centres(logits: Tensor) -> Tensor:
    """(N, P, s, s) logits -> (N, P, 2) x and y of each map's mean place, as shares of the side."""
    places = (torch.arange(logits.shape[-1], device=logits.device) + 0.5) / logits.shape[-1]
    shares = likely(logits)
    return torch.stack([(shares.sum(-2) * places).sum(-1), (shares.sum(-1) * places).sum(-1)], dim=-1)


def likely(logits: Tensor) -> Tensor:
    """(N, P, s, s) logits -> distributions, each map of sum 1."""
    return logits.float().flatten(2).softmax(2).unflatten(2, logits.shape[2:])


def place_loss(logits: Tensor, points: Tensor, sigma: float = 1.0) -> Tensor:
    """Cross-entropy of (N, P, s, s) logits with (N, P, 2) points."""
    wanted = spots(points.to(logits.device, torch.float32), logits.shape[-1], sigma).flatten(2)
    return -(wanted * logits.float().flatten(2).log_softmax(2)).sum(2).mean()


def usual(points: Tensor, side: int) -> Tensor:
    """(N, P, 2) landmarks of many faces -> (P, side, side) logits of where each lies on average."""
    return spots(points, side, sigma=2.0).mean(0).clamp(min=1e-5).log()


class HeatMapNet(nn.Module):
    """Picture -> a map for each of ``points`` landmarks, at half its side.

    Args:
        points: P.
        side: of the pictures it works on; others are brought to it.
        width: channels at half the side.
        levels: halvings below that; the side must be divisible by 2^(levels + 1).
    """

    prior: Tensor

    def __init__(self, points: int, side: int, width: int = 24, levels: int = 3) -> None:
        super().__init__()
        self.points, self.side = points, side
        self.stem = nn.Sequential(nn.Conv2d(3, width, 5, stride=2, padding=2), norm(width), nn.SiLU())
        self.body = UNetBody(width, points, width, levels, double_conv)
        self.register_buffer("prior", torch.zeros(points, side // 2, side // 2))

    @torch.no_grad()
    def begin_at(self, prior: Tensor) -> None:
        """Answer ``prior``, (P, side / 2, side / 2) logits, for every picture, until more is learnt."""
        self.prior.copy_(prior)
        nn.init.zeros_(self.body.head.weight)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, P, side / 2, side / 2) logits."""
        return self.prior + self.body(self.stem(2 * resize(images, self.side) - 1))  # type: ignore[no-any-return]

    def landmarks(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, P, 2) x and y as shares of the side; differentiable."""
        return centres(self(images))
