"""Curves of success against budget: which attacks of a track are the same one with less and with more to spend."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..core.registry import ATTACKS
from .ensemble import StandardEnsemble
from .track import AttackSpec


@dataclass(frozen=True)
class Curve:
    """Entries of one attack that differ in one budget only.

    Args:
        axis: ``pairs``, ``queries`` or ``steps``, which is the sum of the settings that end so.
        points: (budget, title of the entry), ascending; two or more.
    """

    axis: str
    points: tuple[tuple[float, str], ...]


def curves(attacks: Sequence[AttackSpec]) -> list[Curve]:
    """Those of a track, in the order of their entries."""
    found: dict[tuple[str, str], dict[float, str]] = {}
    for entry in attacks:
        if entry.name == StandardEnsemble.name:
            continue
        spent, rest = _budgets(entry)
        for axis, budget in spent.items():
            others = {name: value for name, value in spent.items() if name != axis}
            found.setdefault((axis, json.dumps([rest, others], sort_keys=True, default=str)), {})[budget] = entry.title
    return [Curve(axis, tuple(sorted(points.items()))) for (axis, _), points in found.items() if len(points) > 1]


def last_steps(attacks: Sequence[AttackSpec]) -> list[tuple[str, str]]:
    """For each curve the titles of its last two points, the smaller budget first."""
    return sorted({(curve.points[-2][1], curve.points[-1][1]) for curve in curves(attacks)})


def _budgets(entry: AttackSpec) -> tuple[dict[str, float], object]:
    """What is spent, and everything else that makes two entries two curves."""
    settings = asdict(ATTACKS.get(entry.name)(entry.settings).settings)
    steps = [float(value) for name, value in settings.items() if name.endswith("steps")]
    rest = {name: value for name, value in settings.items() if not name.endswith("steps")}
    limits = (entry.pairs, entry.queries)
    pairs, queries = (math.inf if limit is None else float(limit) for limit in limits)
    same = (entry.name, rest, entry.part, entry.views, entry.views_of, entry.views_joined, entry.victims)
    return {"pairs": pairs, "queries": queries, "steps": sum(steps)}, same
