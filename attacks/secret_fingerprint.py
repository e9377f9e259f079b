"""Secret fingerprint: find out which of a few transformations each picture went through, then invert that one.

Defences that draw one of a handful of transformations per picture (PartialFace: one of 36 ranks) claim that who does
not know the draw cannot invert it. But channels of a transform differ in strength and smoothness, and so what was sent
says itself which channels it holds. No secret is granted here:
  1. Every leak gets a fingerprint: per channel the logarithm of its strength, and how alike neighbours are along rows
     and columns; faces share it, transformations do not.
  2. The public leaks are grouped by fingerprint (k-means, several starts).
  3. Each group gets a linear inverse of its own (ridge regression per pixel, as ``linear-inverse``).
A victim's leak is inverted by the group that its fingerprint is closest to.
A method of our own, after the observation that ranks can be told apart (MinusFace, CVPR 2024, on PartialFace).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

from ..bench.core.channel_marks import channel_marks
from ..bench.core.context import AttackContext
from ..bench.core.errors import InputError
from ..bench.core.leaks import Leak, leak_to
from ..bench.core.linear import ridge
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from .linear_inverse import LinearInverse, LinearInverseSettings, places_in


@dataclass(frozen=True)
class SecretFingerprintSettings(LinearInverseSettings):
    """How many transformations are looked for."""

    groups: int = 36  # PartialFace: 6 groups x 6 orders
    pictures: int = 2048  # public pictures used, shared by the groups
    starts: int = 5  # of k-means; the tightest grouping is kept
    least: int = 8  # pictures a group needs for an inverse of its own; smaller ones use that of all


@register_attack("secret-fingerprint")
class SecretFingerprint(LinearInverse):
    """Map -> group by its fingerprint -> picture by the group's linear inverse."""

    Settings = SecretFingerprintSettings
    settings: SecretFingerprintSettings
    centres: Tensor

    def _fit(self, context: AttackContext) -> None:
        s = self.settings
        self._need(plane=True)
        if s.groups < 1 or s.starts < 1:
            raise InputError(f"secret-fingerprint: groups and starts must be positive, got {s.groups} and {s.starts}.")
        features, pixels, marks = [], [], []
        for part in torch.arange(min(s.pictures, context.target.pair_budget)).split(32):
            leak = leak_to(context.target.pairs(part), context.device)
            marks.append(self.fingerprint(leak))
            u = self.features(leak, context.resolution)
            x = context.public.resized(part, context.resolution).to(context.device)
            rows, places = places_in(context, part, u.shape[-1] * u.shape[-2], self.settings.pixels)
            features.append(u.flatten(2)[rows, :, places].unflatten(0, (len(part), -1)))
            pixels.append(x.flatten(2)[rows, :, places].unflatten(0, (len(part), -1)))
        u, x = torch.cat(features), torch.cat(pixels)  # (n, p, F), (n, p, 3)
        mark = torch.cat(marks)
        self.middle, self.spread = mark.mean(0), mark.std(0).clamp(min=1e-6)
        groups = self._group((mark - self.middle) / self.spread, context)
        everybody = ridge(u.flatten(0, 1), x.flatten(0, 1), s.penalty)
        maps = [everybody] * len(self.centres)
        for group in range(len(self.centres)):
            mine = groups == group
            if int(mine.sum()) >= s.least:
                maps[group] = ridge(u[mine].flatten(0, 1), x[mine].flatten(0, 1), s.penalty)
        self.weight = torch.stack([weight.float() for weight, _ in maps])  # (G, F, 3)
        self.offset = torch.stack([offset.float() for _, offset in maps])

    def fingerprint(self, leak: Leak) -> Tensor:
        """(N, 3 C): log strength, and correlation of neighbours along rows and columns, of every channel."""
        return channel_marks(self.inputs(leak))

    def groups_of(self, leak: Leak) -> Tensor:
        """(N,) the group whose centre is closest."""
        mark = (self.fingerprint(leak) - self.middle) / self.spread
        return torch.cdist(mark, self.centres).argmin(1)

    def _group(self, mark: Tensor, context: AttackContext) -> Tensor:
        """k-means with the tightest of several starts; returns the (n,) groups."""
        points = mark.double().cpu().numpy()
        count = min(self.settings.groups, len(points))
        best: tuple[float, np.ndarray, np.ndarray] | None = None
        for start in range(self.settings.starts):
            rng = context.rng.child("k-means", start).numpy()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a group that lost its last member is no harm
                centres, label = kmeans2(points, count, iter=30, minit="++", seed=rng)
            error = float(((points - centres[label]) ** 2).sum())
            if best is None or error < best[0]:
                best = error, centres, label
        assert best is not None
        self.centres = torch.from_numpy(best[1]).float().to(mark.device)
        return torch.from_numpy(best[2]).long().to(mark.device)

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        group = self.groups_of(leak)
        u = self.features(leak, context.resolution)
        parts = []
        for rows in torch.arange(len(u)).split(16):
            some = torch.einsum("nfhw,nfc->nchw", u[rows], self.weight[group[rows]])
            parts.append(some + self.offset[group[rows]][:, :, None, None])
        return Recovery(torch.cat(parts).clamp(0, 1))
