"""cells.html: every cell with its numbers, its training curve, its flags and the command that runs it again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..record.command import FILTERS, reproducing
from ..record.flags import FLAGS
from .html import environment, filters_of
from .load import CellFile, RunFolder
from .traits import traits_of

_WIDE, _HIGH = 300, 80  # of a curve, in pixels
_POINTS = 100
# Columns that say where a number comes from, as the page calls them.
_FACTS = {
    "fidelity": "fidelity", "paper_value": "the paper's number", "paper_source": "from", "recognizer_access": "access",
    "secrets_granted": "secrets granted", "n_queries": "queries", "n_aux": "pairs used",
    "n_protected_pairs": "of these protected", "params": "parameters", "train_s": "training, s",
    "invert_s": "per victim, s", "code_sha": "commit", "dirty": "uncommitted changes", "data_sha": "data sha256",
    "weights_sha": "weights sha256", "device": "device", "torch": "torch", "created": "made",
}  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """A training loss as a line in a box of 300 x 80."""

    points: str
    first: str
    last: str
    steps: str


@dataclass(frozen=True)
class CellView:
    """What cells.html shows of one cell."""

    key: str
    labels: Mapping[str, str]
    status: str
    command: str
    error: str
    numbers: list[tuple[str, str, str, str]]  # metric, judge, value, interval
    flags: list[tuple[str, str]]  # name, what was seen in this cell
    facts: list[tuple[str, str]]
    curve: Curve | None


def render_cells(run: RunFolder, losses: pd.DataFrame) -> str:
    """The page as text.

    Args:
        run: the run folder; a cell without a folder is shown from its rows alone.
        losses: as ``read_losses`` gives them.
    """
    views, traits = cell_views(run, losses), traits_of(run)
    return environment().get_template("cells.html").render(
        title=run.run.get("title") or run.run.get("track") or run.path.name, cells=views, flags=FLAGS, traits=traits,
        shared=_shared(views),
        fmr=f"{100 * run.headline_fmr:g} %",
        filters=filters_of(traits, {name: [view.labels[name] for view in views]
                                    for name in ("surface", "attack", "knowledge", "defense")}),
    )  # fmt: skip


def _shared(views: list[CellView]) -> list[tuple[str, str]]:
    """The facts that all cells have in common: they stand above them, once."""
    if len(views) < 2:
        return []
    return [fact for fact in views[0].facts if all(fact in view.facts for view in views[1:])]


def cell_views(run: RunFolder, losses: pd.DataFrame) -> list[CellView]:
    """One view per cell of ``results.csv``, in its order."""
    files = {cell.path.name: cell for cell in run.cells}
    curves = dict(list(losses.groupby("cell"))) if len(losses) else {}
    track = str(run.run.get("track") or "TRACK")
    return [
        _view(str(key), rows, files.get(str(key)), curves.get(key), track, run.headline_fmr)
        for key, rows in run.results.groupby("cell", sort=False)
    ]


def _view(
    key: str, rows: pd.DataFrame, file: CellFile | None, losses: pd.DataFrame | None, track: str, fmr: float
) -> CellView:
    first = rows.iloc[0]
    labels = {name: _text(first[name]) for name in ("dataset", *FILTERS)}
    utility = rows[rows["attack"] == ""]
    if len(utility) == len(rows):
        labels["surface"] = ""  # a size in bytes has one, the cell has none
    seen: dict[str, str] = {flag: "" for text in rows["flags"].unique() for flag in text.split(",") if flag}
    for flag in file.flags if file else ():
        seen[str(flag.get("flag"))] = str(flag.get("message") or "")
    error = file.error if file else None
    return CellView(
        key,
        labels,
        file.status if file else _text(first["status"]),
        file.command if file and file.command else reproducing(track, labels),
        f"{error.get('class')}: {error.get('message')}" if error else "",
        [_number(row) for _, row in rows[_shown(rows, fmr)].iterrows()],
        sorted(seen.items()),
        [(label, text) for name, label in _FACTS.items() if (text := _text(first[name])) not in ("", "False")],
        _curve(losses) if losses is not None else None,
    )


def _shown(rows: pd.DataFrame, fmr: float) -> pd.Series:
    """What is read on the victims, at the headline rate where a metric has one."""
    headline = rows["fmr"].isna() | ((rows["fmr"] - fmr).abs() < 1e-12)
    return headline & (rows["split"] != "calibration") & rows["value"].notna()


def _number(row: pd.Series) -> tuple[str, str, str, str]:
    unit = {"fraction": "%", "1": "", "cosine": ""}.get(row["unit"], str(row["unit"]))
    scale = 100.0 if unit == "%" else 1.0
    known = not (math.isnan(row["ci_lo"]) or math.isnan(row["ci_hi"]))
    interval = f"{scale * row['ci_lo']:.4g} to {scale * row['ci_hi']:.4g}" if known else ""
    name = str(row["metric"]) + (f" ({row['surface']})" if row["metric"] == "leak_bytes" else "")
    return name, str(row["judge"]), f"{scale * row['value']:.4g} {unit}".rstrip(), interval


def _curve(losses: pd.DataFrame) -> Curve | None:
    """The loss against the step, on a log scale where it falls far."""
    steps, values = losses["step"].to_numpy(float), losses["loss"].to_numpy(float)
    if len(values) < 2 or not math.isfinite(values.sum()):
        return None
    low, high = float(values.min()), float(values.max())
    far = low > 0 and high > 20 * low
    scaled = [math.log(value) if far else value for value in values]
    bottom, height = min(scaled), (max(scaled) - min(scaled)) or 1.0
    reach = (steps[-1] - steps[0]) or 1.0
    points = [
        f"{_WIDE * (step - steps[0]) / reach:.0f},{_HIGH * (1 - (value - bottom) / height):.1f}"
        for step, value in list(zip(steps, scaled))[:: max(1, math.ceil(len(scaled) / _POINTS))]
    ]
    return Curve(" ".join(points), f"{values[0]:.3g}", f"{values[-1]:.3g}", f"{steps[-1]:.0f}")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)
