"""Margin softmax heads: what makes embeddings of one person gather and of two people part during training.

ArcFace (Deng et al., CVPR 2019, eq. 3) and CosFace (Wang et al., CVPR 2018, eq. 4). The papers' s = 64, m = 0.5 do not
start on a few hundred identities; here s = 32 and the margin is ramped up (``ramped``).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..precision import exactly

MarginLoss = Literal["arcface", "cosface"]

# sin = sqrt(1 - cos^2) has an infinite slope at cos = +-1; below this floor its slope is zero instead.
_SIN2_FLOOR = 1e-6


def arcface(cos: Tensor, labels: Tensor, margin: float) -> Tensor:
    """(N, C) cosines with cos(theta + m) in place of the true class's cos(theta).

    Past theta = pi - m, where cos(theta + m) would rise again, it goes on as cos(theta) - m sin(m), which still falls
    with theta (the monotonic fallback of the authors' code, not in the paper).

    Args:
        cos: (N, C) in [-1, 1].
        labels: (N,) int64 in 0 .. C - 1.
        margin: m in radians, 0 <= m < pi / 2.
    """
    true = cos.gather(1, labels[:, None]).clamp(-1, 1)  # (N, 1); rounding can leave [-1, 1]
    sin = (1 - true * true).clamp(min=_SIN2_FLOOR).sqrt()
    shifted = true * math.cos(margin) - sin * math.sin(margin)
    fallback = true - margin * math.sin(margin)
    return cos.scatter(1, labels[:, None], torch.where(true > -math.cos(margin), shifted, fallback))


def cosface(cos: Tensor, labels: Tensor, margin: float) -> Tensor:
    """(N, C) cosines with cos(theta) - m in place of the true class's cos(theta); arguments as in ``arcface``."""
    true = cos.gather(1, labels[:, None])
    return cos.scatter(1, labels[:, None], true - margin)


def ramped(margin: float, progress: float, start: float = 0.1, share: float = 0.5) -> float:
    """The margin at ``progress`` in [0, 1]: linear from ``start`` to ``margin`` over the first ``share`` of the run."""
    first = min(start, margin)
    return first + (margin - first) * min(1.0, progress / share)


class MarginHead(nn.Module):
    """Class centres and the softmax over them; thrown away after training.

    Args:
        n_classes: C, the training identities.
        dim: D of the embedding.
        loss: which margin.
        scale: s, the inverse temperature.
        generator: draws the centres; the caller's, so that the global one is left alone.
        spread: standard deviation of their first coordinates. Its own gradient grows as a centre shrinks, which SGD
            feels and Adam does not; papers: 0.01.
    """

    def __init__(
        self, n_classes: int, dim: int, loss: MarginLoss, scale: float, generator: torch.Generator | None = None,
        spread: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.centres = nn.Parameter(torch.randn(n_classes, dim, generator=generator) * spread)
        self.loss: MarginLoss = loss
        self.scale = scale

    def forward(self, z: Tensor, labels: Tensor, margin: float) -> Tensor:
        """Mean cross-entropy of (N, D) features of any norm against (N,) labels, with ``margin``."""
        # bf16 has 8 bits of mantissa: cosines near 1 would all be equal, so autocast stays out.
        with exactly(z.device):
            cos = F.normalize(z.float(), dim=1) @ F.normalize(self.centres, dim=1).T  # (N, C)
            logits = (arcface if self.loss == "arcface" else cosface)(cos, labels, margin)
            return F.cross_entropy(self.scale * logits, labels)
