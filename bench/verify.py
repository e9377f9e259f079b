"""``faceleak verify``: ``results.csv`` against the cells' files, and its rows against those that stored scores give.

What is compared stands here and in `kept.py`; the formulas are `recompute.py`'s, asked by ``_recompute`` alone.
"""

from __future__ import annotations

import math
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from .attributes import read_in
from .cell_files import damage
from .compare import DIGITS, Discord, named
from .core.errors import InputError
from .kept import all_discords, kept_of, notes_on
from .recompute import Kept, Key, Recompute, Rows, Thresholds, judges_in
from .report.load import RunFolder, load_run
from .schema import SCORES
from .track import Protocol

COLUMNS = ("value", "ci_lo", "ci_hi", "n", "threshold")


@dataclass(frozen=True)
class Difference:
    """One number of ``results.csv`` that its scores do not give; NaN = there is none."""

    cell: str
    key: Key
    column: str
    written: float
    recomputed: float

    def __str__(self) -> str:
        what = f"{named(self.key)}: {self.column}"
        return f"{self.cell}  {what}: written {_text(self.written)}, recomputed {_text(self.recomputed)}"


@dataclass
class Verdict:
    """What was compared, and how it ended."""

    cells: int = 0
    rows: int = 0
    differences: list[Difference] = field(default_factory=list)
    discords: list[Discord] = field(default_factory=list)  # against what the cells kept, where no difference says it
    gaps: dict[str, str] = field(default_factory=dict)  # cell -> why it could not be (fully) recomputed
    without_scores: Counter[str] = field(default_factory=Counter)  # metric -> rows
    notes: list[str] = field(default_factory=list)  # nothing wrong with the numbers

    @property
    def clean(self) -> bool:
        """Rows were recomputed, every cell was, and nothing differs."""
        return bool(self.rows) and not (self.differences or self.discords or self.gaps)

    def __str__(self) -> str:
        lines = [str(one) for one in (*self.differences, *self.discords)]
        for why in dict.fromkeys(self.gaps.values()):
            lines.append(f"{why}: {', '.join(cell for cell, other in self.gaps.items() if other == why)}")
        lines.append(f"{self.rows} rows of {self.cells} cells recomputed from their scores: "
                     f"{len(self.differences)} numbers differ, {len(self.gaps)} cells lack scores; "
                     f"{len(self.discords)} more things differ from what the cells kept.")  # fmt: skip
        if self.without_scores:
            told = ", ".join(f"{metric} ({count})" for metric, count in sorted(self.without_scores.items()))
            count = self.without_scores.total()
            lines.append(f"{count} rows could not be recomputed: no stored score belongs to them. They were compared "
                         f"with what their cells kept: {told}.")  # fmt: skip
        return "\n".join([*lines, *self.notes])


def verify_run(folder: Path) -> Verdict:
    """Compare ``results.csv`` and ``failures.csv`` with the cells' files, and the cells' rows with their scores.

    Args:
        folder: a run folder with results.csv, run.json and cells/.

    Raises:
        RunFolderError: ``folder`` is not a run folder.
        InputError: no cell has kept scores, or run.json holds no protocol to compute by.
    """
    run = load_run(folder)
    ended = [cell.path for cell in run.cells if cell.status == "ok"]
    if not any(file.is_file() for path in ended for file in (path / SCORES, path / "scores.parquet")):
        raise InputError(
            f"{folder} holds no scores: none of its {len(ended)} finished cells has cells/CELL/{SCORES}. Scores stay "
            f"where a track was run and are not committed; verify that folder, or run it again: {_command(run)}"
        )
    protocol = _protocol(run)
    found = kept_of(run)
    verdict = Verdict(gaps=dict(found.unreadable))
    for name, rows in run.results[run.results["status"].isin(["ok", "refused"])].groupby("cell"):
        if name in found.cells and (rows["metric"] != "cell").any():
            _verify_cell(folder / "cells" / str(name), rows, protocol, verdict)
    for name, cell in found.cells.items():
        if wrong := damage(cell.folder):
            verdict.gaps.setdefault(name, wrong)
    told = {(one.cell, one.key, column) for one in verdict.differences for column in (one.column, "")}
    verdict.discords = [one for one in all_discords(run, found) if (one.cell, one.key, one.column) not in told]
    verdict.notes = notes_on(run, found)
    return verdict


def _protocol(run: RunFolder) -> Protocol:
    try:
        return Protocol.model_validate(run.run["protocol"])
    except (KeyError, ValidationError) as error:
        raise InputError(f"{run.path}/run.json: its protocol cannot be read ({error}); run the track again.") from error


def _command(run: RunFolder) -> str:
    return str(run.run.get("command") or "faceleak run TRACK")


def _verify_cell(folder: Path, rows: pd.DataFrame, protocol: Protocol, verdict: Verdict) -> None:
    computing = Recompute(protocol, int(rows["seed"].iloc[0]))
    written = _written(rows)
    gap = _recompute(folder, written, computing, utility=bool((rows["attack"] == "").all()))
    if gap:
        verdict.gaps[folder.name] = gap
    if computing.rows:
        _compare(folder.name, written, computing.rows, verdict)
        known = {key.metric for key in computing.rows}
        verdict.without_scores.update(metric for metric in rows["metric"] if metric not in known)


def _recompute(folder: Path, written: Rows, computing: Recompute, *, utility: bool) -> str:
    """Compute what the cell's files allow; returns what is missing or broken, nothing where nothing is."""
    per_leak = folder / "scores.parquet"
    gap = "" if (folder / SCORES).is_file() else f"missing: {SCORES}"
    judges: dict[str, Thresholds]
    try:
        if utility and not gap:
            published = computing.protocol.measures == "publication"
            (computing.publication if published else computing.utility)(_read(folder / SCORES))
        elif not gap:
            kept = _read(folder / SCORES)
            judges = {name: computing.thresholds(kept, f"{name}/") for name in judges_in(kept)}
            if judges and not per_leak.is_file():
                return f"missing: {per_leak.name}"
            if judges or per_leak.is_file():
                computing.leaked_photographs(pd.read_parquet(per_leak), judges)
                computing.attack(kept, judges)
            if not judges or read_in(kept):  # whom no judge was asked about, attributes were read of
                computing.attributes(kept)
        elif per_leak.is_file():  # a run from before the other file was kept
            scores = pd.read_parquet(per_leak)
            computing.leaked_photographs(
                scores, {name: _thresholds(written, name) for name in scores["judge"].unique()}
            )
            gap += "; only SAR Type-I and cosine were recomputed, at the thresholds as written"
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        computing.rows.clear()
        return f"its scores cannot be read ({type(error).__name__}: {error})"
    return gap


def _read(file: Path) -> Kept:
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def _written(rows: pd.DataFrame) -> Rows:
    """The rows as results.csv has them; a refused one has no columns but a NaN value."""
    found: Rows = {}
    for _, row in rows.iterrows():
        fmr = -1.0 if math.isnan(row["fmr"]) else float(row["fmr"])
        key = Key(row["metric"], row["judge"], row["split"], fmr)
        found[key] = {name: float(row[name]) for name in COLUMNS if not math.isnan(row[name])}
    return found


def _thresholds(written: Rows, judge: str) -> dict[float, float | None]:
    mine = [(key, columns) for key, columns in written.items() if (key.metric, key.judge) == ("sar_type1", judge)]
    return {key.fmr: columns.get("threshold") for key, columns in mine}


def _compare(cell: str, written: Rows, recomputed: Rows, verdict: Verdict) -> None:
    verdict.cells += 1
    verdict.rows += len(recomputed)
    metrics = {key.metric for key in recomputed}
    for key in sorted({*recomputed, *(key for key in written if key.metric in metrics)}):
        old, new = written.get(key, {}), recomputed.get(key, {})
        for column in COLUMNS:
            a, b = old.get(column, math.nan), new.get(column, math.nan)
            if not _same(a, b):
                verdict.differences.append(Difference(cell, key, column, a, b))


def _same(a: float, b: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= DIGITS * max(abs(a), abs(b))


def _text(value: float) -> str:
    return "nothing" if math.isnan(value) else f"{value:.6g}"
