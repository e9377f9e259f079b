"""What an attack leaves behind in a cell."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ..core.recovery import Recovery
from ..leak.leaked import LeakedSet
from ..store.unfinished import Unfinished


@dataclass
class Outcome:
    """What one attack did in one cell."""

    recoveries: dict[str, Recovery]  # by split
    leaked: dict[str, LeakedSet]
    losses: list[float] = field(default_factory=list)
    still_falling: float = 0.0
    kept: float = 1.0  # share of what was learnt that did held-out people no harm
    train_s: float = 0.0
    invert_s: float = 0.0
    n_queries: int = 0
    queries_per_victim: int = 0
    n_pairs: int = 0
    params: int = 0
    peak_memory_mb: float = 0.0
    # Of an ensemble, by member: (L,) whether its picture was taken, or the status that kept it out.
    chosen: dict[str, Tensor | str] = field(default_factory=dict)
    nobody: Recovery | None = None  # (R) what it made of random vectors, where the track asks for that
    isolated: bool = True  # whether the attack ran in a process of its own
    places: list[Unfinished] = field(default_factory=list)  # where long searches have kept themselves
