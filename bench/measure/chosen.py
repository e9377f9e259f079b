"""Of an ensemble: whose picture was taken how often, and who was not asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from torch import Tensor

from ..core.registry import register_measurement
from ..record.metrics import Metric
from ..record.results import Row
from ..record.words import CHOSEN
from .base import Kept, Measurement
from .case import Case
from .rows import Rules, counted, row_of


@register_measurement("chosen")
class Chosen(Measurement):
    """The share of the leaks for which a member's picture was taken; a member that had no part says so in its own
    cell."""

    metrics: ClassVar = (
        Metric(f"{CHOSEN}{{attack}}", "fraction", "", "Share of the leaks for which this member's picture was taken."),
    )
    priced: ClassVar = False

    def skip(self, case: Case) -> str:
        return "" if case.cell.members else "One attack alone."

    def observe(self, case: Case) -> Kept:
        """By member: (L,) whether it was, or the status that kept it out."""
        told = case.outcome.chosen
        return {title: won.numpy() if isinstance(won, Tensor) else np.array(won) for title, won in told.items()}

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        (metric,) = self.metrics
        for title, won in kept.items():
            row = row_of(metric, name=f"{CHOSEN}{title}")
            if won.ndim:
                yield counted(metric, row, float(won.mean()), len(won), "leaks")
            else:
                yield row | {"status": str(won)}
