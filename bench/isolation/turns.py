"""In which order leaks are handed to an attack: one draw of each victim at a time, shuffled, under numbers that mean
nothing elsewhere.

Whoever got all draws of a victim in one call, in a known order, would average over them at ``views`` = 1; whoever knew
the order or the sample ids would know which leaks of two cells belong together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..core.seeding import Rng

if TYPE_CHECKING:
    from ..leak.leaked import LeakedSet


@dataclass(frozen=True)
class Turn:
    """Leaks that are handed over together.

    Args:
        index: (V,) positions in the leaked set, in the order in which they are handed over.
        ids: (V,) int64 for each view.
    """

    index: Tensor
    ids: tuple[Tensor, ...]


def turns(part: LeakedSet, rng: Rng) -> Iterator[Turn]:
    """One turn for each draw.

    Args:
        part: what leaked.
        rng: the harness's, another one for each cell and split.
    """
    for draw in part.presentation.unique().tolist():
        where = torch.nonzero(part.presentation == draw).flatten()
        index = where[torch.randperm(len(where), generator=rng.child("order", draw).torch())]
        views = range(1 + len(part.more))
        yield Turn(index, tuple(rng.child("id", view).bits(index, ()).reshape(-1) >> 1 for view in views))
