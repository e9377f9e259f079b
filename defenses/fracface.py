"""FracFace: half of the frequency channels, picked by a secret map that grows like a fractal from a 3x3 kernel.

"FracFace", NeurIPS 2025. The client drops the ten channels of most energy of each plane (162 are left), reads them as a
grid of 18 rows of 9 in boustrophedon order (every second row backwards) and keeps the first 81, and then sends channel
F_K(i, j) of these at place (i, j) of a 9 x 9 map, where

    F_k = (M0 - 1) beta_k + F_(k-1) mod 81,   F_0 = L0,   K = 2.

M0, a random 3x3 kernel, and L0, a lattice, are the installation's secret; there is no other randomness, so the server
learns for one key and must learn again when the key is re-issued. The map is not injective: channels repeat, others
never travel. Server: ArcFace on the 81 channels.
Derived anew, because paper and released code leave it open or contradict each other:
  M0        nine independent numbers 1..9 (a permutation would make the map injective);
  level k   reads M0 at the k-th base-3 digit of i and of j, coarse first: cells of 3 x 3, then places in a cell;
  beta_k    3^(2(k-1)) = 1, 9. With the paper's 3^(2k) the second level is a multiple of 81 and vanishes;
  L0        3 x 3 independent numbers 0..80, repeated over the cells (the released code has none);
  grid      plane after plane, as in the released code: the 81 kept are all 54 of Y and 27 of Cb.
``front = inverse`` is ours: the server, which is trained for the key anyway, is given the inverse of what it sends.
Differs from the paper besides: the ten dropped channels are dropped in all three planes (the released code forgets Cb
and Cr); the database holds the embedding, not the 81 channels; server of `defenses/wire.py`. Fidelity: simplified.
The paper's own figures: LFW 99.69 % (undefended 99.73, table 1), U-Net recovery on LFW SSIM .400, PSNR 8.61 (table 2),
less than a grey picture scores. Its "protection 100 %" is the share of channels dropped or moved, no privacy measure.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.nets.bdct import PER_PLANE, bdct
from ..bench.core.nets.inverse import FrequencyInverse
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.seeding import Rng
from ..bench.core.surfaces import Fidelity, Secret
from .partialface import KEPT
from .wire import WireDefense
from .wire_settings import WireSettings

EDGE = 9  # the map is 9 x 9, and a row of the grid holds 9 channels
SENT = EDGE * EDGE


@dataclass(frozen=True)
class FracFaceSettings(WireSettings):
    """How deep the map grows."""

    depth: int = 2  # K; 0 = L0 alone. A 9 x 9 map has two levels; paper: 2 (table 4 has 1..4 on larger maps)


@register_defense("fracface")
class FracFace(WireDefense):
    """81 of 192 frequency channels, gathered with repetition by a secret map."""

    secrets = frozenset({Secret.DEPLOYMENT})
    channels = SENT
    invertible = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "FracFace, NeurIPS 2025"
    paper_value = "U-Net recovery on LFW SSIM .400, PSNR 8.61 dB; LFW 99.69 %"
    paper_source = "FracFace, tables 1 and 2"
    claims = "The picture cannot be recovered from the channels sent without the key."
    Settings = FracFaceSettings
    settings: FracFaceSettings

    def _build_client(self, context: FitContext) -> None:
        if not 0 <= self.settings.depth <= 2:
            raise InputError(f"fracface: depth must be 0, 1 or 2 on a map of 9 x 9, got {self.settings.depth}.")

    def encode(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, side, side) -> (N, 81, side, side), on the scale of 8-bit pixels."""
        return bdct(images)[:, self.channels_sent(secret)]

    def _inverse(self, context: FitContext) -> FrequencyInverse:
        """For the installation's key."""
        once = self.secrets_of(context).draw(torch.zeros(1, dtype=torch.int64))
        return FrequencyInverse(self.channels_sent(once)[None], self.settings.side)

    def channels_sent(self, secret: SecretDraw) -> Tensor:
        """(81,) the channel, of 192, at each place of what travels; a function of the key alone."""
        return snake()[index_map(secret.deployment.child("fracface"), self.settings.depth).flatten()]


def snake() -> Tensor:
    """(81,) channels of 192: the first half of the 162 kept ones, every second row of nine backwards."""
    kept = torch.tensor([PER_PLANE * plane + k for plane in range(3) for k in KEPT]).reshape(-1, EDGE)
    kept[1::2] = kept[1::2].flip(1)
    return kept.flatten()[:SENT]


def index_map(key: Rng, depth: int) -> Tensor:
    """(9, 9) F_K, int64 in 0..80."""
    cells = torch.arange(9)
    lattice = (key.child("lattice").uniform(cells) * SENT).long().reshape(3, 3)  # L0
    kernel = (key.child("kernel").uniform(cells) * 9).long().reshape(3, 3)  # M0 - 1
    place = torch.arange(EDGE)
    inner = place % 3
    found = lattice[inner[:, None], inner]
    for level, digit in enumerate((place // 3, inner)[:depth]):
        found = (kernel[digit[:, None], digit] * 9**level + found) % SENT
    return found
