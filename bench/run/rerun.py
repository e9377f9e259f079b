"""``faceleak verify --rerun``: a random part of somebody's cells run anew, and what came of it held against their rows.

Scores can be made up together with the rows that follow from them; people, weights and code cannot. Secrets are fresh
(``bench/isolation/roots.py``), so that an attack that was made for the submitter's keys is found out;
``FACELEAK_SECRET_ROOT`` set to that of ``secrets.json`` repeats a run to the last digit instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import InputError, TrackError
from ..core.seeding import stable_hash
from ..plan.cells import Cell, cells
from ..plan.track import Track
from ..prepare.session import Session
from ..record.cell_files import read_cell
from ..record.command import FILTERS
from ..record.results import TIMING_METRICS
from ..report.load import RunFolder
from .cell import run_cell
from .compare import Key, key_of, named, same_number

_NEAR = 0.02  # of the value, where a number has no interval


@dataclass(frozen=True)
class Departure:
    """A row that came out otherwise."""

    cell: str
    key: Key
    written: float
    anew: float

    def __str__(self) -> str:
        return f"{self.cell}  {named(self.key)}: written {self.written:.6g}, anew {self.anew:.6g}"


@dataclass
class Rerun:
    """What was run again and what came of it."""

    cells: list[str] = field(default_factory=list)  # titles
    same: int = 0  # rows equal to six digits
    near: int = 0  # rows whose intervals overlap, or that differ by less than 2 %
    departures: list[Departure] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # title -> how it ended here

    @property
    def clean(self) -> bool:
        """Something was run again and all of it came out as written."""
        return bool(self.same or self.near) and not (self.departures or self.failed)

    def __str__(self) -> str:
        lines = [str(one) for one in self.departures]
        lines += [f"{title} ended otherwise here: {how}" for title, how in self.failed.items()]
        lines.append(
            f"{len(self.cells)} cells were run again ({'; '.join(self.cells)}): {self.same} rows are the same, "
            f"{self.near} agree within their intervals, {len(self.departures)} do not."
        )
        return "\n".join(lines)


def track_of(run: RunFolder) -> Track:
    """The track as the run resolved it.

    Raises:
        TrackError: the run does not say, or says it in another version's words.
    """
    resolved = run.run.get("resolved")
    if not isinstance(resolved, Mapping):
        raise TrackError(f"{run.path}: run.json does not hold the track that was run; run it again with this version.")
    try:
        return Track.model_validate(dict(resolved))
    except ValueError as error:
        first = " ".join(str(error).splitlines()[1:3])
        raise TrackError(f"{run.path}: the track in run.json is not one of this version ({first}).") from error


def drawn(run: RunFolder, track: Track, share: float, seed: int) -> list[Cell]:
    """A random part of the cells that ended well, at least one; which ones nobody knows before ``seed`` is chosen.

    Raises:
        InputError: ``share`` is no share, or no cell of the track has ended well.
    """
    if not 0 < share <= 1:
        raise InputError(f"--rerun {share:g}: the share of cells to run again lies in (0, 1].")
    ended = run.results[(run.results["status"] == "ok")]
    known = {tuple(map(str, row)) for row in ended[list(FILTERS)].drop_duplicates().itertuples(index=False)}
    # The rows of a system without an attack name the surfaces that they are about, the cell names none.
    plain = {(row[0], row[1], row[5]) for row in known if not row[2]}
    here = [cell for cell in cells(track) if _names(cell) in known or (not cell.attack and _plain(cell) in plain)]
    if not here:
        raise InputError(
            f"{run.path} has no cell that ended well and that its track still has; nothing can be run again."
        )
    order = sorted(here, key=lambda cell: stable_hash(seed, "rerun", *_names(cell)))
    return order[: max(1, math.ceil(share * len(here)))]


def rerun(run: RunFolder, session: Session, chosen: Sequence[Cell], work: Path) -> Rerun:
    """Run cells into ``work`` and compare.

    Args:
        run: the submission.
        session: of its track.
        chosen: cells.
        work: an empty folder.
    """
    found = Rerun()
    for number, cell in enumerate(chosen):
        title, folder = str(cell), work / str(number)
        found.cells.append(title)
        run_cell(session, cell, folder, session.progress)
        ended = read_cell(folder)
        if ended.state["status"] != "ok":
            found.failed[title] = f"{ended.state['status']}, {(ended.state.get('error') or {}).get('message', '')}"
            continue
        written = _written(run.results, cell)
        surface = cell.surface.value if cell.surface else ""
        for row in ended.rows:
            key = key_of(row, surface)
            if key.metric not in TIMING_METRICS and row.get("status") == "ok" and row.get("value") is not None:
                _compare(found, title, key, written.get(key), row)
    return found


def _compare(found: Rerun, title: str, key: Key, before: Mapping[Any, Any] | None, row: Mapping[str, Any]) -> None:
    value = float(row["value"])
    if before is None:
        found.departures.append(Departure(title, key, math.nan, value))
        return
    old = float(before["value"])
    if same_number(old, value):
        found.same += 1
    elif _overlap(before, row) or abs(old - value) <= _NEAR * max(abs(old), abs(value)):
        found.near += 1
    else:
        found.departures.append(Departure(title, key, old, value))


def _overlap(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    ends = [
        float(math.nan if part.get(name) is None else part[name])
        for part in (one, other)
        for name in ("ci_lo", "ci_hi")
    ]
    return not any(map(math.isnan, ends)) and ends[0] <= ends[3] and ends[2] <= ends[1]


def _written(results: pd.DataFrame, cell: Cell) -> dict[Key, Mapping[Any, Any]]:
    labels = cell.labels()
    names = [name for name in FILTERS if cell.attack or name != "surface"]
    rows = results
    for name in names:
        rows = rows[rows[name].astype(str) == str(labels[name])]
    surface = cell.surface.value if cell.surface else ""
    return {key_of(row, surface): row for row in rows.to_dict("records")}


def _names(cell: Cell) -> tuple[str, ...]:
    labels = cell.labels()
    return tuple(str(labels[name]) for name in FILTERS)


def _plain(cell: Cell) -> tuple[str, str, str]:
    recognizer, defense, *_, seed = _names(cell)
    return recognizer, defense, seed
