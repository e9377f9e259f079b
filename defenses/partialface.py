"""PartialFace: a random few of the high-frequency channels, in random order, per picture.

Mi et al., "Privacy-Preserving Face Recognition Using Random Frequency Components", ICCV 2023, section 3. The client
drops the ten channels of most energy of each plane, and of the remaining 54 sends one of m disjoint groups of 9 (the
same indices for Y, Cb, Cr) in one of n fixed orders: 27 channels. (group, order) is the picture's "rank" and is
redrawn for every picture; the groups and orders themselves are a deployment secret here, published to clients in the
paper. The server learns from every picture under many ranks.
Settings of the paper: 6 groups, 6 orders (its (sigma, s, r, m, n) = (10, 9, 18, 6, 6)), drawn for each model. As
released (``candidates = released``, ``orders = 3``, ``groups_shown = 3``): one partition and three orders for
everybody, so no deployment secret, the identity among the orders, and in training a person's pictures show only three
of the six groups, the triple chosen by the label modulo 20, so that the trainer never sees all of a picture. At test
time there is no label: any rank is drawn.
``front = inverse`` is ours: the server, told nothing either, reads the rank off the channels (``rank_reader.py``) and
sees the picture that they make likely.
Differs from the paper: an epoch shows every picture under one fresh rank instead of r = 18 copies (released code: 3);
server of `defenses/wire.py`. Fidelity: simplified.
The paper's own figures: LFW 99.80 % (undefended 99.77), recovery SSIM .591, PSNR 13.70 (its table 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import torch
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.faces import FaceSet
from ..bench.core.nets.bdct import PER_PLANE, bdct
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw, SecretSource
from ..bench.core.surfaces import Fidelity, Secret
from ..bench.core.training import TrainLog
from .rank_reader import RankReader
from .wire import WireDefense
from .wire_settings import WireSettings

# The ten channels of most energy of each plane at 112 pixels; at 64, channel 10 changes places with 32.
DROPPED = (0, 1, 2, 3, 8, 9, 10, 16, 17, 24)
KEPT = tuple(k for k in range(PER_PLANE) if k not in DROPPED)
SENT = 9  # channels per plane that travel
# Groups (places in ``KEPT``) and orders of the released code.
RELEASED_GROUPS = (
    (1, 24, 28, 12, 32, 45, 47, 40, 52), (35, 39, 44, 42, 10, 4, 37, 31, 53), (0, 50, 19, 6, 22, 51, 49, 23, 21),
    (38, 8, 25, 13, 17, 30, 7, 33, 9), (26, 29, 16, 2, 43, 14, 5, 11, 48), (36, 41, 46, 34, 15, 27, 18, 20, 3),
)  # fmt: skip
RELEASED_ORDERS = ((0, 1, 2, 3, 4, 5, 6, 7, 8), (7, 3, 0, 6, 5, 4, 1, 2, 8), (4, 8, 6, 0, 2, 5, 3, 7, 1))


@dataclass(frozen=True)
class PartialFaceSettings(WireSettings):
    """How many ranks there are."""

    groups: int = 6  # m, disjoint groups of 9 channels; 54 = 6 x 9 is the most
    orders: int = 6  # n, orders of the 9; released code: 3
    candidates: Literal["drawn", "released"] = "drawn"  # from the deployment secret, or those of the released code
    groups_shown: int = 0  # groups that one person's pictures show in training; 0 = all; released code: 3


@dataclass(frozen=True)
class Restricted(SecretDraw):
    """A draw of train pictures whose groups come from some of all only: (N, k) which."""

    groups: Tensor

    def take(self, index: Tensor | slice) -> Restricted:
        people = None if self.people is None else self.people[index]
        return Restricted(self.deployment, self.sample, self.ids[index], self.groups[index], people=people)


@register_defense("partialface")
class PartialFace(WireDefense):
    """27 of 192 frequency channels, chosen and ordered at random per picture."""

    secrets = frozenset({Secret.DEPLOYMENT, Secret.SAMPLE})
    channels = 3 * SENT
    invertible = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "Mi et al., ICCV 2023"
    paper_value = "recovery SSIM .591, PSNR 13.70 dB; LFW 99.80 %"
    paper_source = "PartialFace, tables 1 and 3"
    claims = "The picture cannot be recovered from the channels sent, even by who knows the candidate ranks."
    Settings = PartialFaceSettings
    settings: PartialFaceSettings
    rank_log: TrainLog | None = None

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(values)
        if self.settings.candidates == "released":  # known to everybody
            object.__setattr__(self, "secrets", frozenset({Secret.SAMPLE}))

    def _build_client(self, context: FitContext) -> None:
        most, s = len(KEPT) // SENT, self.settings
        if not 1 <= s.groups <= most or s.orders < 1 or not 0 <= s.groups_shown <= s.groups:
            raise InputError(
                f"partialface: groups must lie in 1..{most}, orders be >= 1 and groups_shown lie in 0..groups, got {s}."
            )
        if s.candidates == "released" and s.orders > len(RELEASED_ORDERS):
            raise InputError(f"partialface: the released code has {len(RELEASED_ORDERS)} orders, got {s.orders}.")

    def training_draw(self, faces: FaceSet, index: Tensor, presentation: int, source: SecretSource) -> SecretDraw:
        """Of a person's pictures some groups only, where ``groups_shown`` says so: chosen by the label, as released."""
        draw, s = super().training_draw(faces, index, presentation, source), self.settings
        if not s.groups_shown:
            return draw
        choices = torch.tensor(list(combinations(range(s.groups), s.groups_shown)))
        shown = choices[faces.labels[index.cpu()] % len(choices)]
        return Restricted(draw.deployment, draw.sample, draw.ids, shown, people=draw.people)

    def encode(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, side, side) -> (N, 27, side, side): 9 channels of Y, then of Cb, then of Cr."""
        index = in_all_planes(self.ranks(secret).to(images.device))
        rows = torch.arange(len(images), device=images.device)[:, None]
        return bdct(images)[rows, index]

    def ranks(self, secret: SecretDraw) -> Tensor:
        """(N, 9) the channels of a plane that each picture sends, in the order sent."""
        split, orders = self.candidates(secret)
        u = secret.sample.child("partialface").uniform(secret.ids.cpu(), (2,))
        if isinstance(secret, Restricted):
            group = secret.groups.gather(1, (u[:, :1] * secret.groups.shape[1]).long())[:, 0]
        else:
            group = (u[:, 0] * self.settings.groups).long()
        order = (u[:, 1] * self.settings.orders).long()
        return torch.tensor(KEPT)[split[group].gather(1, orders[order])]

    def candidates(self, secret: SecretDraw) -> tuple[Tensor, Tensor]:
        """(m, 9) places in ``KEPT`` of each group, and (n, 9) orders."""
        groups, orders = self.settings.groups, self.settings.orders
        if self.settings.candidates == "released":
            return torch.tensor(RELEASED_GROUPS)[:groups], torch.tensor(RELEASED_ORDERS)[:orders]
        once, drawn = torch.zeros(1, dtype=torch.int64), secret.deployment.child("partialface")
        split = drawn.child("groups").permutation(once, len(KEPT))[0].reshape(-1, SENT)[:groups]
        return split, drawn.child("orders").permutation(torch.arange(orders), SENT)

    def trainings(self) -> dict[str, TrainLog]:
        """The server's, and the reader's of ranks where there is one."""
        return super().trainings() | ({"ranks": self.rank_log} if self.rank_log is not None else {})

    def _inverse(self, context: FitContext) -> RankReader:
        """Of all ranks, the one that the channels look like."""
        split, orders = self.candidates(self.secrets_of(context).draw(torch.zeros(1, dtype=torch.int64)))
        ranks = torch.tensor(KEPT)[split[:, orders].flatten(0, 1)]  # (m n, 9)
        return RankReader(in_all_planes(ranks), self.settings.side)

    def _fit_inverse(self, context: FitContext) -> None:
        super()._fit_inverse(context)
        reader = self.server.inverse
        assert isinstance(reader, RankReader)
        self.rank_log = reader.learn(context, f"{self.name}: ranks")


def in_all_planes(chosen: Tensor) -> Tensor:
    """(N, 9) channels of a plane -> (N, 27) of 192: those of Y, then of Cb, then of Cr."""
    planes = torch.arange(3, device=chosen.device) * PER_PLANE
    return (planes[:, None] + chosen[:, None, :]).flatten(1)
