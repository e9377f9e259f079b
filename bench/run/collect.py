"""From the cells of a run to its tables: ``results.csv`` and ``failures.csv`` say what the cells' files say."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.spreadsheet import defused, restored
from ..measure.cross_flags import cross_cell_flags
from ..record.cell_files import CellError, EndedCell, has_ended, read_cell
from ..record.results import Row
from ..record.words import CHOSEN

FAILURES = (
    "cell", "recognizer", "defense", "attack", "surface", "knowledge", "seed", "dataset", "status", "class", "message",
)  # fmt: skip


@dataclass
class Collected:
    """What the cells of a run say together."""

    cells: dict[str, EndedCell] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)  # key -> what is wrong with its files
    rows: list[Row] = field(default_factory=list)

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Who did not end well, and why."""
        states = {key: cell.state for key, cell in self.cells.items()}
        return [
            {"cell": key, **state["cell"], "status": state["status"], **state["error"]}
            for key, state in states.items()
            if state.get("error")
        ]

    @property
    def absent(self) -> dict[str, str]:
        """What could not be computed for want of weights, and why."""
        found: dict[str, str] = {}
        for cell in self.cells.values():
            found |= cell.state.get("absent") or {}
        return found

    @property
    def finished(self) -> int:
        """How many need not be run again."""
        return sum(not cell.failed for cell in self.cells.values())


def collect(
    folder: Path,
    keys: Iterable[str],
    last_steps: Iterable[tuple[str, str]] = (),
    roles: Mapping[str, str] | None = None,
) -> Collected:
    """The cells of ``keys`` that have ended, and their rows with the flags that need more than one cell.

    Args:
        folder: ``cells/`` of a run.
        keys: of the planned cells, in their order.
        last_steps: titles of attacks that are one attack at a smaller and a larger budget (``saturation.py``).
        roles: title of an attack -> its role; empty for runs from before they were kept.
    """
    found = Collected()
    for key in keys:
        if has_ended(folder / key):
            try:
                found.cells[key] = read_cell(folder / key)
            except CellError as error:
                found.unreadable[key] = str(error)
    found.rows = [dict(row) for cell in found.cells.values() for row in cell.rows]
    # An ensemble holds members of every access: it would hide that a black box beats the white ones (F2).
    ensembles = {row["cell"] for row in found.rows if row["metric"].startswith(CHOSEN)}
    extra = cross_cell_flags([row for row in found.rows if row["cell"] not in ensembles], last_steps, roles)
    for row in found.rows:
        if added := extra.get(row["cell"]):
            row["flags"] = ",".join(sorted({*filter(None, str(row["flags"]).split(",")), *added}))
    return found


def failures_text(failures: list[dict[str, Any]]) -> str:
    """``failures.csv``."""
    return pd.DataFrame(failures, columns=list(FAILURES)).map(defused).to_csv(index=False, lineterminator="\n")


def read_failures(file: Path | io.StringIO) -> pd.DataFrame:
    """The table back, all of it text.

    Raises:
        ValueError: no table.
    """
    table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return table.reindex(columns=list(FAILURES), fill_value="").fillna("").map(restored)
