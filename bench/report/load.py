"""A run folder, read. Whatever is missing or broken becomes an empty part and a sentence, never a traceback."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import FaceleakError
from ..core.json_file import read_json
from ..core.surfaces import Role
from ..record.packed import EVIDENCE, Unpacked
from ..record.results import COLUMNS, read_results
from ..record.words import UTILITY_LOSS

DEFAULT_FMR = 0.01


class RunFolderError(FaceleakError):
    """The folder is not a run folder, or its results.csv is not one of ours."""


@dataclass(frozen=True)
class CellFile:
    """One folder of ``cells/``: who met whom, how it ended, and where its pictures and losses lie."""

    path: Path
    status: str
    cell: Mapping[str, Any]
    error: Mapping[str, Any] | None
    command: str
    flags: tuple[Mapping[str, Any], ...]

    def text(self, name: str) -> str:
        """A field of the cell's definition as text; empty when it has none."""
        value = self.cell.get(name)
        return "" if value is None else str(value)

    @property
    def seed(self) -> int:
        """The seed, 0 when the definition has none."""
        try:
            return int(self.cell.get("seed") or 0)
        except (TypeError, ValueError):
            return 0


@dataclass(frozen=True)
class RunFolder:
    """Everything a report is made from."""

    path: Path
    results: pd.DataFrame
    run: Mapping[str, Any]
    env: Mapping[str, Any]
    manifest: Mapping[str, Any]
    cells: tuple[CellFile, ...]
    problems: tuple[str, ...] = field(default=())
    unpacked: Unpacked | None = None  # evidence in place of ``cells/``; there as long as this is

    @property
    def kept(self) -> Path:
        """The folder of the cells: ``cells/``, or what came out of the evidence."""
        return self.unpacked.cells if self.unpacked else self.path / "cells"

    def taught_alike(self, recognizer: str) -> set[str]:
        """Judges that learnt from the same people as an attacked recogniser."""
        found = _mapping(self.manifest.get("taught_alike")).get(recognizer)
        return set(map(str, found)) if isinstance(found, list) else set()

    @property
    def seeds_redraw(self) -> bool:
        """Whether each seed has splits of its own, hence other people."""
        return "splits" in _list(_mapping(self.run.get("protocol")).get("seed_moves"))

    @property
    def shared_people(self) -> float:
        """Share of their victims and calibration people that two seeds have in common: 1 where splits stay."""
        stated = _mapping(self.manifest.get("seeds")).get("shared_people")
        return min(1.0, max(0.0, float(stated))) if self.seeds_redraw and isinstance(stated, int | float) else 1.0

    @property
    def headline_fmr(self) -> float:
        """The false match rate at which the boards are read."""
        stated = _mapping(self.run.get("protocol")).get("headline_fmr")
        if isinstance(stated, (int, float)) and 0 < stated < 1:
            return float(stated)
        seen = self.results.loc[self.results["metric"] == "sar_type2", "fmr"].dropna()
        return DEFAULT_FMR if seen.empty or (seen - DEFAULT_FMR).abs().min() < 1e-9 else float(seen.max())

    @property
    def utility_loss(self) -> float:
        """Accuracy lost at most where systems are compared by leakage alone."""
        stated = _mapping(self.run.get("protocol")).get("utility_loss")
        return float(stated) if isinstance(stated, (int, float)) else UTILITY_LOSS

    @property
    def roles(self) -> Mapping[str, str]:
        """Title of an attack -> attack, floor or ceiling; empty for runs from before they were kept."""
        known = {role.value for role in Role}
        return {str(title): role for title, role in _mapping(self.run.get("roles")).items() if role in known}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def load_run(folder: Path, *, cells: bool = True) -> RunFolder:
    """Read a run folder; partial ones too.

    Args:
        folder: with results.csv or run.json.
        cells: whether the folders of the cells are read, out of the evidence where a copy has that; rows need none.

    Raises:
        RunFolderError: ``folder`` holds neither results.csv nor run.json, or results.csv has other columns.
        EvidenceError: it has no cells/, but evidence that is none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is not a folder. Give the folder of a run, the one that holds results.csv.")
    if not table_of(folder).is_file() and not (folder / "run.json").is_file():
        raise RunFolderError(
            f"{folder} is not a run folder: it has neither results.csv nor run.json. "
            "`faceleak run` makes one under results/runs/."
        )
    problems: list[str] = []
    parts = {name: _read_json(folder / f"{name}.json", problems) for name in ("run", "env", "manifest")}
    results = _read_table(table_of(folder), problems)
    packed = folder / EVIDENCE
    unpacked = Unpacked(packed) if cells and packed.is_file() and not (folder / "cells").is_dir() else None
    kept = unpacked.cells if unpacked else folder / "cells"
    found = _read_cells(kept, parts["run"].get("plan"), problems) if cells else ()
    return RunFolder(folder, results, cells=found, problems=tuple(problems), unpacked=unpacked, **parts)


def table_of(folder: Path) -> Path:
    """The file with the rows: results.csv, or results.csv.gz where a large run was packed to be kept."""
    packed = folder / "results.csv.gz"
    return packed if packed.is_file() and not (folder / "results.csv").is_file() else folder / "results.csv"


def _read_table(path: Path, problems: list[str]) -> pd.DataFrame:
    if not path.is_file() or path.stat().st_size == 0:
        problems.append("results.csv is missing or empty: no cell has reported yet.")
        return read_results(io.StringIO(",".join(COLUMNS)))
    try:
        return read_results(path)
    except (ValueError, KeyError, OverflowError) as error:
        raise RunFolderError(
            f"{path} is not a results.csv of this version ({error}). It needs the columns of bench/record/results.py; "
            "run the track again or use the version of faceleak that wrote it."
        ) from error


def _read_json(path: Path, problems: list[str]) -> Mapping[str, Any]:
    try:
        value = read_json(path)
    except FileNotFoundError:
        problems.append(f"{path.name} is missing, so the page cannot show what it holds.")
        return {}
    except (OSError, ValueError) as error:
        problems.append(f"{path.name} cannot be read ({error}).")
        return {}
    return _mapping(value)


def _read_cells(kept: Path, plan: Any, problems: list[str]) -> tuple[CellFile, ...]:
    """Those of the plan; a run from before plans were kept has all that are there."""
    found = []
    for path in sorted(kept.glob("*/state.json")):
        if isinstance(plan, Mapping) and path.parent.name not in plan:
            continue
        try:
            state = _mapping(read_json(path))
        except (OSError, ValueError) as error:
            problems.append(f"cells/{path.parent.name}/state.json cannot be read ({error}).")
            continue
        error_part = state.get("error")
        found.append(
            CellFile(
                path=path.parent,
                status=str(state.get("status") or "unknown"),
                cell=_mapping(state.get("cell")),
                error=error_part if isinstance(error_part, Mapping) else None,
                command=str(state.get("command") or ""),
                flags=tuple(flag for flag in _list(state.get("flags")) if isinstance(flag, Mapping)),
            )
        )
    return tuple(found)
