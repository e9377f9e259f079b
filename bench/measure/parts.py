"""The parts of a cell: one per measurement, each with a key of its own, so that a new metric costs only itself.

A cell's folder keeps ``measures.json``, what every measurement said, and ``measure-NAME.npz``, what that follows from
(``scores.npz`` of ``identity``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from ..core.code import code_of
from ..core.errors import ContractError, TrackError
from ..core.json_file import read_json
from ..core.registry import MEASUREMENTS, nearest
from ..plan.cells import Cell
from ..plan.track import Protocol
from ..record.arrays import read_arrays
from ..record.cell_files import plain, read_state
from ..record.results import PARTS, Row, kept_file
from ..store.recipe import Recipe
from .base import Flag, Kept, Measurement
from .case import Case
from .rows import REASON, Rules


@dataclass(frozen=True)
class Part:
    """What one measurement said of a cell.

    Args:
        key: what it was made by; another key is another measurement.
        skipped: why it does not apply, nothing where it does.
        rows: what is its own in the cell's rows.
        flags: what it raised.
    """

    key: str
    skipped: str = ""
    rows: list[Row] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)

    @property
    def absent(self) -> dict[str, str]:
        """Metrics that could not be computed, and why."""
        return {str(row["metric"]): str(row[REASON]) for row in self.rows if REASON in row}


def measurements(protocol: Protocol) -> dict[str, Measurement]:
    """By name: the measurements of a track.

    Raises:
        TrackError: the track names one that nobody has registered.
    """
    names = MEASUREMENTS.names()
    for pattern in protocol.measure:
        if not any(fnmatch(name, pattern) for name in names):
            raise TrackError(f"protocol.measure: no measurement is called {pattern!r}; {nearest(pattern, names)}")
    wanted = [name for name in names if any(fnmatch(name, pattern) for pattern in protocol.measure)]
    return {name: MEASUREMENTS.get(name)() for name in wanted}


def measurements_of(protocol: Protocol, cell: Cell) -> dict[str, Measurement]:
    """By name: the measurements of a track that look at such a cell."""
    subject = "recovery" if cell.attack else "system"
    return {name: one for name, one in measurements(protocol).items() if one.looks_at == subject}


def part_key(measurement: Measurement) -> str:
    """What a part is made by; the cell's own key says what it is made from."""
    kind = type(measurement)
    return Recipe("part", measurement.describe(), code_of(kind)).key


def read_parts(folder: Path) -> dict[str, Part]:
    """What the measurements of a cell said; nothing where it keeps none.

    Raises:
        OSError, ValueError, TypeError: the file cannot be read.
    """
    file = folder / PARTS
    if not file.is_file():
        return {}
    parts = read_json(file)
    if not isinstance(parts, dict) or not all(isinstance(told, dict) for told in parts.values()):
        raise ValueError("it names no measurements")
    found = {name: Part(**told) for name, told in parts.items()}
    for part in found.values():
        lists = [part.rows, part.flags]
        if not all(isinstance(one, list) and all(isinstance(said, dict) for said in one) for one in lists):
            raise ValueError("rows and flags are no lists of what was said")
    return found


def write_parts(parts: Mapping[str, Part], folder: Path) -> None:
    """Write ``measures.json``."""
    told = {name: asdict(part) for name, part in sorted(parts.items())}
    (folder / PARTS).write_text(json.dumps(told, default=plain), encoding="utf-8")


def lacking(folder: Path, wanted: Mapping[str, Measurement]) -> list[str]:
    """The measurements that a cell has not had yet, or had by other code."""
    try:
        there = read_parts(folder)
    except (OSError, ValueError, TypeError):
        there = {}
    return [name for name, one in wanted.items() if name not in there or there[name].key != part_key(one)]


def differs(folder: Path, wanted: Mapping[str, Measurement]) -> bool:
    """Whether a cell that has ended has not had just the measurements that are wanted."""
    try:
        extra = set(read_parts(folder)) - set(wanted)
    except (OSError, ValueError, TypeError):
        return True
    state = read_state(folder)
    return state["status"] == "ok" and bool(extra or lacking(folder, wanted))


def take(measurement: Measurement, case: Case, folder: Path) -> Part:
    """Measure a case; what is observed is kept in ``folder``.

    Raises:
        ContractError: something was observed that is no array, or a row is of no declared metric.
    """
    key, name = part_key(measurement), type(measurement).name
    if reason := measurement.skip(case):
        return Part(key, reason)
    kept = measurement.observe(case)
    _check_kept(kept, name)
    np.savez(folder / kept_file(name), allow_pickle=False, **kept)
    rows, flags = said(measurement, kept, Rules(case.protocol, case.cell.seed))
    return Part(key, "", rows, flags)


def said(measurement: Measurement, kept: Kept, rules: Rules) -> tuple[list[Row], list[Flag]]:
    """Rows and flags of what was kept; the run and ``verify`` both come here.

    Raises:
        ContractError: a row is of no declared metric.
    """
    rows = [{name: value for name, value in row.items() if value is not None} for row in measurement.rows(kept, rules)]
    for row in rows:
        if not any(metric.covers(str(row.get("metric"))) for metric in measurement.metrics):
            declared = [metric.name for metric in measurement.metrics]
            raise ContractError(
                f"Measurement {type(measurement).name!r} has a row of {row.get('metric')!r}; it declares {declared}."
            )
    return rows, list(measurement.flags(kept, rules))


def read_kept(folder: Path, name: str) -> Kept:
    """What a measurement has kept of a cell.

    Raises:
        OSError: no such file.
        ValueError: it holds no arrays, or arrays larger than itself.
    """
    return read_arrays(folder / kept_file(name))


def _check_kept(kept: Mapping[str, Any], name: str) -> None:
    for place, values in kept.items():
        if not isinstance(values, np.ndarray) or values.dtype.kind == "O":
            raise ContractError(
                f"Measurement {name!r} keeps {place!r} as {type(values).__name__}; keep arrays of numbers, truths or "
                "text, so that rows can be computed from them again."
            )


def declared(made: Iterable[Measurement]) -> dict[str, dict[str, Any]]:
    """Metric -> what the manifest says of it, and which measurement it is of."""
    return {metric.name: metric.told() | {"measurement": type(one).name} for one in made for metric in one.metrics}
