"""The picture behind measurements that are linear in its planes: Wiener's estimate, in closed form.

With planes x (Y, Cb, Cr) of mean m and power spectrum S over the cosine basis D, and measurements y = A x + noise of
variance v, the estimate of least squared error (Wiener, 1949) solves
    (A' A / v + D' S^-1 D) (x - m) = A' (y - A m) / v.
A' A is never written down: conjugate gradients apply it, preconditioned by the diagonal of the left side over D, which
nearly is one. Five steps are then as good as forty for most choices of nine channels of 64; ten are taken for those
that see little of slow changes across the face. Mean and spectrum are those of a few hundred pictures of anybody.
Float32 bears v down to 1e-3: at 1e-4 slow changes, small differences of large numbers, drown in rounding (PSNR falls by
10 dB for some channels). Double precision bears 1e-6, gains a little (cosine .512 -> .542 on rendered faces) and costs
three times as much.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..precision import exactly
from .bdct import BLOCK, CHANNELS, analysis, by_plane, dct_matrix, from_ycbcr, to_ycbcr

STEPS = 10  # of conjugate gradients
_LEAST = 1e-20  # below which what is left to solve is rounding


class Wiener(nn.Module, ABC):
    """Measurements -> picture. A subclass says what the measurements are.

    Args:
        side: of the picture, pixels.
        noise: v, variance of a measurement on the scale of 8-bit pixels.
    """

    mean: Tensor
    power: Tensor
    noise: Tensor
    basis: Tensor

    def __init__(self, side: int, noise: float) -> None:
        super().__init__()
        self.register_buffer("noise", torch.full((3, 1, 1), noise))
        self.register_buffer("mean", torch.zeros(3, side, side))
        self.register_buffer("power", torch.ones(3, side, side))
        self.register_buffer("basis", dct_matrix(side).float(), persistent=False)

    @abstractmethod
    def adjoint(self, wire: Tensor, choice: Tensor) -> Tensor:
        """A' y: what travelled -> (N, 3, side, side)."""

    @abstractmethod
    def normal(self, planes: Tensor, terms: Tensor) -> Tensor:
        """A' A x: (N, 3, side, side) -> the same shape."""

    def terms(self, choice: Tensor) -> Tensor:
        """What ``normal`` needs to know of the way in which each picture was measured, fetched once."""
        return choice

    @abstractmethod
    def diagonal(self, choice: Tensor) -> Tensor:
        """(N, 3, side, side), or what spreads to it: the diagonal of A' A over the cosine basis."""

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Mean and spectrum of (n, 3, side, side) pictures in [0, 1]; neighbouring frequencies share theirs."""
        planes = to_ycbcr(images)
        self.mean.copy_(planes.mean(0))
        found = self._there(planes - self.mean).square().mean(0)
        # A data set without colour has no power in Cb and Cr: not 0, by which nothing can be divided.
        smooth = F.avg_pool2d(found.clamp(min=1e-4).log()[None], 5, 1, 2, count_include_pad=False)
        self.power.copy_(smooth[0].exp())

    def forward(self, wire: Tensor, choice: Tensor | None = None) -> Tensor:
        """What travelled -> (N, 3, side, side) RGB in [0, 1].

        Args:
            wire: the measurements of N pictures.
            choice: (N,) which of several ways each was measured, where there are several.
        """
        if choice is None:
            choice = torch.zeros(len(wire), dtype=torch.int64, device=wire.device)
        with exactly(wire.device):
            terms = self.terms(choice)
            wanted = self.adjoint(wire, choice) - self.normal(self.mean.expand(len(wire), -1, -1, -1), terms)
            scale = self.diagonal(choice) / self.noise + 1 / self.power
            return from_ycbcr(self.mean + self._solve(wanted / self.noise, scale, terms)).clamp(0, 1)

    def _solve(self, wanted: Tensor, scale: Tensor, terms: Tensor) -> Tensor:
        """Preconditioned conjugate gradients, every plane of every picture by itself."""
        found, left = torch.zeros_like(wanted), wanted
        near = self._back(self._there(left) / scale)
        along, size = near, _product(left, near)
        for _ in range(STEPS):
            image = self.normal(along, terms) / self.noise + self._back(self._there(along) / self.power)
            length = size / _product(along, image).clamp(min=_LEAST)
            found, left = found + length * along, left - length * image
            near = self._back(self._there(left) / scale)
            size, before = _product(left, near), size
            along = near + size / before.clamp(min=_LEAST) * along
        return found

    def _there(self, planes: Tensor) -> Tensor:
        return self.basis @ planes @ self.basis.T

    def _back(self, planes: Tensor) -> Tensor:
        return self.basis.T @ planes @ self.basis


class FrequencyInverse(Wiener):
    """From some of the 192 channels of ``bdct`` back to the picture.

    Args:
        channels: (A, C) int64, which channels travel, in the order in which they do, for each of A ways. One that
            travels twice says nothing new.
        side: of the picture, pixels.
        noise: variance of a coefficient. They travel without any: what this stands for is that directions which hardly
            show in the channels sent follow the spectrum and not rounding.
    """

    channels: Tensor
    rows: Tensor
    left: Tensor
    right: Tensor
    diagonals: Tensor

    def __init__(self, channels: Tensor, side: int, noise: float = 1e-3) -> None:
        super().__init__(side, noise)
        axis = analysis(side)
        by_frequency = axis.reshape(side, BLOCK, side).transpose(0, 1)  # (8, side, side)
        gram = by_frequency.mT @ by_frequency
        sent = torch.zeros(len(channels), CHANNELS, dtype=torch.float64)
        sent.scatter_(1, channels, 1.0)
        right = torch.einsum("apuv,vij->apuij", sent.reshape(-1, 3, BLOCK, BLOCK), gram)
        seen = self.basis.double()
        of_left, of_right = ((seen @ one @ seen.T).diagonal(dim1=-2, dim2=-1) for one in (gram, right))
        for name, value in {
            "channels": channels,
            "rows": axis.float(),
            "left": gram.flatten(0, 1).float(),  # (8 side, side)
            "right": right.flatten(2, 3).float(),  # (A, 3, 8 side, side)
            "diagonals": torch.einsum("ui,apuj->apij", of_left, of_right).float(),
        }.items():
            self.register_buffer(name, value, persistent=False)

    def adjoint(self, wire: Tensor, choice: Tensor) -> Tensor:
        """(N, C, side, side) channels as they travelled -> (N, 3, side, side)."""
        n, _, h, w = wire.shape
        whole = wire.new_zeros(n, CHANNELS, h, w)
        whole[torch.arange(n, device=wire.device)[:, None], self.channels[choice]] = wire
        return self.rows.T @ by_plane(whole) @ self.rows

    def terms(self, choice: Tensor) -> Tensor:
        return self.right if len(self.right) == 1 else self.right[choice]

    def normal(self, planes: Tensor, terms: Tensor) -> Tensor:
        side = planes.shape[-1]
        # Row frequencies side by side, so that both products are single ones: sum over u of L_u X R_u.
        halfway = (self.left @ planes).unflatten(2, (BLOCK, side)).transpose(2, 3).flatten(3)
        return halfway @ terms

    def diagonal(self, choice: Tensor) -> Tensor:
        return self.diagonals[choice]


class Restored(nn.Module):
    """What travelled -> picture -> a trainable copy of a recogniser -> (N, D).

    Args:
        inverse: what travelled -> (N, 3, h, w) in [0, 1]; nothing of it is trained with the copy.
        recognizer: the copy; it keeps its batch statistics, as in ``Adapted``.
    """

    def __init__(self, inverse: nn.Module, recognizer: nn.Module) -> None:
        super().__init__()
        self.inverse, self.recognizer = inverse, recognizer
        inverse.requires_grad_(False)

    def train(self, mode: bool = True) -> Restored:
        super().train(mode)
        self.recognizer.eval()
        return self

    def forward(self, wire: Tensor) -> Tensor:
        return self.recognizer(self.inverse(wire))  # type: ignore[no-any-return]


def _product(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((2, 3), keepdim=True)
