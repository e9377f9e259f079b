"""PartialFace: a random few of the high-frequency channels, in random order, per picture.

Mi et al., "Privacy-Preserving Face Recognition Using Random Frequency Components", ICCV 2023, section 3. The client
drops the ten channels of most energy of each plane, and of the remaining 54 sends one of m disjoint groups of 9 (the
same indices for Y, Cb, Cr) in one of n fixed orders: 27 channels. (group, order) is the picture's "rank" and is
redrawn for every picture; the groups and orders themselves are a deployment secret here, published to clients in the
paper. The server learns from every picture under many ranks.
Settings of the paper: 6 groups, 6 orders (its (sigma, s, r, m, n) = (10, 9, 18, 6, 6)); of the released code: 6 groups,
3 orders.
Differs from the paper: the partition is drawn from the deployment secret (the released one is fixed); an epoch shows
every picture under one fresh rank instead of r = 18 copies; the released code's choice of three groups by the label is
left out, since no label exists at test time; server of `defenses/wire.py`. Fidelity: simplified.
The paper's own figures: LFW 99.80 % (undefended 99.77), recovery SSIM .591, PSNR 13.70 (its table 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.nets.bdct import PER_PLANE, bdct
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Secret
from .wire import WireDefense, WireSettings

# The ten channels of most energy of each plane at 112 pixels; at 64, channel 10 changes places with 32.
DROPPED = (0, 1, 2, 3, 8, 9, 10, 16, 17, 24)
KEPT = tuple(k for k in range(PER_PLANE) if k not in DROPPED)
SENT = 9  # channels per plane that travel


@dataclass(frozen=True)
class PartialFaceSettings(WireSettings):
    """How many ranks there are."""

    groups: int = 6  # m, disjoint groups of 9 channels; 54 = 6 x 9 is the most
    orders: int = 6  # n, orders of the 9; released code: 3


@register_defense("partialface")
class PartialFace(WireDefense):
    """27 of 192 frequency channels, chosen and ordered at random per picture."""

    secrets = frozenset({Secret.DEPLOYMENT, Secret.SAMPLE})
    channels = 3 * SENT
    fidelity = Fidelity.SIMPLIFIED
    paper = "Mi et al., ICCV 2023"
    paper_value = "recovery SSIM .591, PSNR 13.70 dB; LFW 99.80 %"
    paper_source = "PartialFace, tables 1 and 3"
    claims = "The picture cannot be recovered from the channels sent, even by who knows the candidate ranks."
    Settings = PartialFaceSettings
    settings: PartialFaceSettings

    def _build_client(self, context: FitContext) -> None:
        most = len(KEPT) // SENT
        if not 1 <= self.settings.groups <= most or self.settings.orders < 1:
            raise InputError(f"partialface: groups must lie in 1..{most} and orders be >= 1, got {self.settings}.")

    def encode(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, side, side) -> (N, 27, side, side): 9 channels of Y, then of Cb, then of Cr."""
        chosen = self.ranks(secret).to(images.device)  # (N, 9) channels of a plane
        planes = torch.arange(3, device=images.device) * PER_PLANE
        index = (planes[:, None] + chosen[:, None, :]).flatten(1)  # (N, 27)
        rows = torch.arange(len(images), device=images.device)[:, None]
        return bdct(images)[rows, index]

    def ranks(self, secret: SecretDraw) -> Tensor:
        """(N, 9) the channels of a plane that each picture sends, in the order sent."""
        once = torch.zeros(1, dtype=torch.int64)
        candidates = secret.deployment.child("partialface")
        split = candidates.child("groups").permutation(once, len(KEPT))[0].reshape(-1, SENT)[: self.settings.groups]
        orders = candidates.child("orders").permutation(torch.arange(self.settings.orders), SENT)
        u = secret.sample.child("partialface").uniform(secret.ids.cpu(), (2,))
        group = (u[:, 0] * self.settings.groups).long()
        order = (u[:, 1] * self.settings.orders).long()
        return torch.tensor(KEPT)[split[group].gather(1, orders[order])]
