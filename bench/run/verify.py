"""``faceleak verify``: ``results.csv`` against the cells' files, and its rows against those that kept arrays give.

What is compared stands here and in `kept.py`; the rows come from the measurements themselves, as in the run.
"""

from __future__ import annotations

import math
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from pydantic import ValidationError

from ..core.errors import FaceleakError, InputError, RegistryError
from ..core.registry import MEASUREMENTS
from ..measure.parts import Part, read_kept, read_parts, said
from ..measure.rows import Rules
from ..plan.track import Protocol
from ..record.cell_files import damage
from ..record.packed import EVIDENCE, LEFT_OUT
from ..record.results import PARTS, kept_file
from ..report.load import RunFolder, load_run
from .compare import Discord, Key, key_of, named, same_number
from .kept import all_discords, kept_of, notes_on
from .pictures import strange_pictures

Rows: TypeAlias = "dict[Key, dict[str, float]]"
COLUMNS = ("value", "ci_lo", "ci_hi", "n", "threshold", "fmr_lo", "fmr_hi")


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
        folder: a run folder with results.csv, run.json and cells/, or evidence in place of them.

    Raises:
        RunFolderError: ``folder`` is not a run folder.
        InputError: no cell has kept scores, or run.json holds no protocol to compute by.
    """
    run = load_run(folder)
    ended = [cell.path for cell in run.cells if cell.status == "ok"]
    if not any((path / PARTS).is_file() for path in ended):
        raise InputError(
            f"{folder} holds no scores: none of its {len(ended)} finished cells has cells/CELL/{PARTS}, and there is "
            f"no {EVIDENCE}. Verify the folder where the track was run, `faceleak publish` it again, or run it again: "
            f"{_command(run)}"
        )
    protocol = _protocol(run)
    found = kept_of(run)
    verdict = Verdict(gaps=dict(found.unreadable))
    for name, rows in run.results[run.results["status"].isin(["ok", "refused"])].groupby("cell"):
        if name in found.cells and (rows["metric"] != "cell").any():
            _verify_cell(run.kept / str(name), rows, protocol, verdict)
    for name, cell in found.cells.items():
        if wrong := damage(cell.folder, without=LEFT_OUT if run.unpacked else ()) or strange_pictures(cell.folder):
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
    surface = "" if (rows["attack"] == "").all() else str(rows["surface"].iloc[0])
    rules = Rules(protocol, int(rows["seed"].iloc[0]))
    try:
        parts = {name: part for name, part in read_parts(folder).items() if not part.skipped}
    except (OSError, ValueError, TypeError) as error:
        verdict.gaps[folder.name] = f"its {PARTS} cannot be read ({type(error).__name__}: {error})"
        return
    if not parts:
        verdict.gaps[folder.name] = f"missing: {PARTS}"
        return
    recomputed: Rows = {}
    for name, part in parts.items():
        try:
            found = _recompute(folder, name, part, rules, surface)
        except _Gap as gap:
            verdict.gaps.setdefault(folder.name, str(gap))
            continue
        recomputed |= found
    written = {key_of(row.to_dict(), surface): _numbers(row.to_dict()) for _, row in rows.iterrows()}
    if recomputed:
        _compare(folder.name, written, recomputed, verdict)
    known = {key.metric for key in recomputed}
    verdict.without_scores.update(metric for metric in rows["metric"] if metric not in known)


class _Gap(Exception):
    """Why a part could not be computed again."""


def _recompute(folder: Path, name: str, part: Part, rules: Rules, surface: str) -> Rows:
    """The rows that follow from what a measurement has kept; those that were absent have no number to compare.

    Raises:
        _Gap: what is missing or broken.
    """
    if not (folder / kept_file(name)).is_file():
        raise _Gap(f"missing: {kept_file(name)}")
    try:
        measurement = MEASUREMENTS.get(name)()
        rows, flags = said(measurement, read_kept(folder, name), rules)
    except RegistryError as error:
        raise _Gap(f"{error} It was made by a package or plug-in file that is not here.") from error
    except (OSError, EOFError, LookupError, TypeError, ValueError, FaceleakError, zipfile.BadZipFile) as error:
        raise _Gap(f"its scores cannot be read ({kept_file(name)}, {type(error).__name__}: {error})") from error
    if flags != part.flags:
        raise _Gap(f"its flags do not follow from {kept_file(name)}: {part.flags} were kept, {flags} follow")
    return {key_of(row, surface): _numbers(row) for row in rows if row.get("status", "ok") in ("ok", "refused")}


def _numbers(row: Mapping[Any, Any]) -> dict[str, float]:
    """The columns that have a number; a refused row has none."""
    found = {name: float(row[name]) for name in COLUMNS if row.get(name) is not None}
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _compare(cell: str, written: Rows, recomputed: Rows, verdict: Verdict) -> None:
    verdict.cells += 1
    verdict.rows += len(recomputed)
    metrics = {key.metric for key in recomputed}
    for key in sorted({*recomputed, *(key for key in written if key.metric in metrics)}):
        old, new = written.get(key, {}), recomputed.get(key, {})
        for column in COLUMNS:
            a, b = old.get(column, math.nan), new.get(column, math.nan)
            if not same_number(a, b):
                verdict.differences.append(Difference(cell, key, column, a, b))


def _text(value: float) -> str:
    return "nothing" if math.isnan(value) else f"{value:.6g}"
