"""Which of a deployment's ranks a picture of PartialFace was sent under, told by the channels themselves.

Ours; the papers' server is told nothing and learns to do without. Channels differ in strength and smoothness
(``channel_marks``) and faces do not, so that one linear layer over the marks tells the rank: on LFW's faces, of people
it has not seen, 583 of 583 in a trial of 1,500 steps (36 ranks).
Whoever listens and knows the candidates can do the same.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.channel_marks import MARKS, channel_marks
from ..bench.core.context import FitContext
from ..bench.core.nets.bdct import CHANNELS, bdct
from ..bench.core.nets.inverse import FrequencyInverse
from ..bench.core.nets.standardize import Standardize
from ..bench.core.precision import exactly
from ..bench.core.training import Batch, TrainLog, TrainSettings, train

BUDGET = TrainSettings(steps=600, batch=128, lr=3e-3, weight_decay=1e-2)  # seconds: no network, marks are kept
PICTURES = 1000  # train pictures whose marks are taken


class RankReader(nn.Module):
    """What travelled -> picture, under the rank that it looks like.

    Args:
        channels: (R, C) int64 of 192, those that travel under each rank, in order.
        side: of the pictures, pixels.
    """

    def __init__(self, channels: Tensor, side: int) -> None:
        super().__init__()
        self.inverse = FrequencyInverse(channels, side)
        self.standardize = Standardize(torch.zeros(2, MARKS * channels.shape[1]))
        self.tell = nn.Linear(MARKS * channels.shape[1], len(channels))

    def forward(self, wire: Tensor) -> Tensor:
        """(N, C, side, side) -> (N, 3, side, side) in [0, 1]."""
        return self.inverse(wire, self.ranks(wire))  # type: ignore[no-any-return]

    def ranks(self, wire: Tensor) -> Tensor:
        """(N,) the likeliest."""
        with exactly(wire.device):
            return self.tell(self.standardize(channel_marks(wire))).argmax(1)  # type: ignore[no-any-return]

    def fit(self, images: Tensor) -> None:
        """Mean and spectrum of (n, 3, side, side) pictures."""
        self.inverse.fit(images)

    def learn(self, context: FitContext, title: str) -> TrainLog:
        """Learn to tell ranks from train pictures under ranks drawn for it."""
        known = self._known(context)
        rng, channels = context.rng.child("ranks"), self.inverse.channels

        def seen(index: Tensor, presentation: int) -> tuple[Tensor, Tensor]:
            u = rng.child(presentation).uniform(index)
            rank = (u * len(channels)).long().to(known.device)
            mine = known[index.to(known.device)[:, None], :, channels[rank]]  # (B, C, 3)
            return mine.transpose(1, 2).flatten(1), rank

        self.standardize.fit(torch.cat([seen(torch.arange(len(known)), -1 - i)[0] for i in range(4)]))

        def loss(batch: Batch) -> Tensor:
            marks, rank = seen(batch.index, batch.presentation)
            return F.cross_entropy(self.tell(self.standardize(marks)), rank)

        self.tell.requires_grad_(True)
        arguments: dict[str, Any] = {"rng": rng, "progress": context.progress, "title": title}
        log = train(self.tell, loss, len(known), BUDGET, **arguments)
        self.tell.requires_grad_(False)
        return log

    @torch.no_grad()
    def _known(self, context: FitContext) -> Tensor:
        """(n, 3, 192) marks of every channel of train pictures."""
        side, marks = self.inverse.mean.shape[-1], []
        some = context.some("ranks", PICTURES)
        assert context.train is not None
        for part in some.split(32):
            images = context.train.resized(part, side).to(context.device)
            marks.append(channel_marks(bdct(images)).unflatten(1, (MARKS, CHANNELS)))
        return torch.cat(marks)
