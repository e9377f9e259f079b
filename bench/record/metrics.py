"""What a metric is called, counted in and about: declared once, read by rows, documents and pages. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Better: TypeAlias = 'Literal["higher", "lower", ""]'  # from the metric's own point of view; "" where it has none


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        name: in rows; a part in braces stands for what differs from row to row (``fd_{judge}``).
        unit: what values are counted in; shares are fractions. Empty where there is none.
        better: whether higher or lower is better.
        says: what it is, in a sentence for whoever reads a board.
        heading: of its column on the generic board, without its unit; metrics without one have a board of their own.
        per: what there is one row for: any of ``judge``, ``fmr``, ``attribute`` and ``surface``.
    """

    name: str
    unit: str = ""
    better: Better = ""
    says: str = ""
    heading: str = ""
    per: frozenset[str] = frozenset()

    @property
    def higher_is_better(self) -> bool | None:
        """As the column of ``results.csv`` has it."""
        return {"higher": True, "lower": False}.get(self.better)

    def covers(self, name: str) -> bool:
        """Whether rows called ``name`` are of this metric."""
        if "{" not in self.name:
            return name == self.name
        pattern = "".join(
            ".+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", self.name)
        )
        return re.fullmatch(pattern, name) is not None

    def told(self) -> dict[str, Any]:
        """For the manifest: all that a page needs to explain it."""
        return {
            "unit": self.unit, "better": self.better, "says": self.says, "heading": self.heading,
            "per": sorted(self.per),
        }  # fmt: skip


def metric_of(told: Mapping[str, Any], name: str) -> Metric:
    """A metric as a manifest tells of it; what it does not tell is empty."""
    better = told.get("better")
    return Metric(
        name,
        str(told.get("unit") or ""),
        better if better in ("higher", "lower") else "",
        str(told.get("says") or ""),
        str(told.get("heading") or ""),
        frozenset(map(str, told.get("per") or ())),
    )
