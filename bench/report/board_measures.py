"""Board of metrics that no other board knows: those of other packages, as their declarations in the manifest say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ..record.metrics import Metric, metric_of
from .columns import Shown
from .load import RunFolder
from .rows import View
from .seeds import Stat, spread

KEYS = ("dataset", "recognizer", "surface", "defense", "attack", "knowledge", "judge")
_UNITS = {"fraction": ("%", "percent"), "1": ("", "unit")}  # as headings have them, and how values are written


def generic_metrics(run: RunFolder) -> tuple[Metric, ...]:
    """The metrics of a run that ask for a column: those that declare a heading."""
    told = run.manifest.get("metrics")
    found = told.items() if isinstance(told, Mapping) else ()
    metrics = [metric_of(about, str(name)) for name, about in found if isinstance(about, Mapping)]
    return tuple(metric for metric in metrics if metric.heading)


def measures_board(view: View, metrics: tuple[Metric, ...]) -> pd.DataFrame:
    """One row per system or attack and judge, a column with its interval for each metric.

    Args:
        view: of the rows.
        metrics: with a heading each; rates are read at the headline FMR.
    """
    lines: dict[tuple[str, ...], dict[str, Any]] = {}
    for key, name, fmr, stat in _numbers(view):
        if any(metric.covers(name) for metric in metrics) and fmr in (0.0, view.fmr):
            lines.setdefault(key, dict(zip(KEYS, key))).update(spread(name, stat))
    names = sorted({name for line in lines.values() for name in line if name not in KEYS and not _is_end(name, line)})
    columns = [*KEYS, *(f"{name}{end}" for name in names for end in ("", "_lo", "_hi"))]
    return pd.DataFrame([lines[key] for key in sorted(lines)], columns=columns)


def _numbers(view: View) -> list[tuple[tuple[str, ...], str, float, Stat]]:
    """Key, metric, FMR and number of all that there is on the victims."""
    attacks = [
        ((who.dataset, who.recognizer, who.surface, who.defense, who.attack, who.knowledge, judge), metric, fmr, stat)
        for (who, split, metric, judge, fmr), stat in view.stats.items()
        if split == "victims"
    ]
    systems = [
        ((dataset, recognizer, surface, defense, "", "", ""), metric, fmr, stat)
        for (dataset, recognizer, defense, surface, metric, fmr), stat in view.utility.items()
    ]
    return [*systems, *attacks]


def _is_end(name: str, line: Mapping[str, Any]) -> bool:
    return any(name.endswith(end) and name.removesuffix(end) in line for end in ("_lo", "_hi"))


def words_for(board: pd.DataFrame, metrics: tuple[Metric, ...]) -> dict[str, tuple[Shown, str]]:
    """How the page shows the columns of ``measures_board``: heading and sentence of each metric."""
    found = {}
    for column in board.columns:
        for metric in metrics:
            if metric.covers(column):
                unit, kind = _UNITS.get(metric.unit, (metric.unit, "unit"))
                better = f" {metric.better.capitalize()} is better." if metric.better else ""
                heading = metric.heading if "{" not in metric.name else f"{metric.heading}: {column}"
                found[column] = (Shown(f"{heading}, {unit}" if unit else heading, kind), metric.says + better)
    return found


def lines_of(board: pd.DataFrame, key: tuple[str, str, str]) -> pd.DataFrame:
    """The lines of one data set, recogniser and surface; of systems those of no surface too."""
    same = (board["dataset"] == key[0]) & (board["recognizer"] == key[1])
    return board[same & board["surface"].isin([key[2], ""])]
