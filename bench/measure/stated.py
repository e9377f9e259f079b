"""What a defence says of itself: its goal where pictures are published, and its properties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from ..core.registry import register_measurement
from ..record.metrics import Metric
from ..record.results import Row
from .base import Kept, Measurement
from .case import Case
from .rows import Rules, counted, row_of

_GOAL = Metric("goal", "", "", "What the defense is for.")
_PROPERTY = Metric("{property}", "", "", "What the defense states of itself.")


@register_measurement("stated")
class Stated(Measurement):
    """A word stands in the unit's column: values are numbers."""

    metrics: ClassVar = (_GOAL, _PROPERTY)
    looks_at: ClassVar[Literal["recovery", "system"]] = "system"

    def observe(self, case: Case) -> Kept:
        said: dict[str, float | str] = {}
        if case.protocol.measures == "publication":
            said[_GOAL.name] = case.system.goal.value
        said |= case.system.properties()
        return {name: np.array(value) for name, value in said.items()}

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        for name, value in kept.items():
            row = row_of(_PROPERTY, name=name)
            text = value.dtype.kind in "US"
            yield row | {"unit": str(value)} if text else counted(_PROPERTY, row, value.item())
