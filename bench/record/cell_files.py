"""The folder of one cell: what it holds, whether all of it is there, and what it says.

``state.json`` comes last and names every other file with its hash, so a cell is complete, or it is known what is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import FaceleakError
from ..core.json_file import read_json
from ..core.threat import DefenseKnowledge, RecognizerAccess
from ..store.durable import damaged, force_all, hashes, write_text
from .results import Row

STATE, ROWS = "state.json", "rows.json"
PICTURES, TRACE = "pictures.safetensors", "traceback.txt"  # what the page shows; where a failure came from
SEALED = "files"  # the key of the state under which the hashes stand


class CellError(FaceleakError):
    """A cell's files are not what they were when the cell ended."""


@dataclass(frozen=True)
class EndedCell:
    """A cell that has ended, well or not."""

    folder: Path
    state: Mapping[str, Any]
    rows: list[Row]

    @property
    def key(self) -> str:
        """The cell's key, which is its folder's name."""
        return self.folder.name

    @property
    def failed(self) -> bool:
        """Whether it is to be tried again."""
        return bool(self.state["status"] == "failed")


def seal(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state, which makes the cell complete: after every other file is safely on disk."""
    force_all(folder)
    write_text(folder / STATE, json.dumps({**state, SEALED: hashes(folder)}, indent=1, default=plain))


def clear(folder: Path) -> None:
    """Make the folder an empty one; the state goes first, so that no moment shows a complete cell without its files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STATE).unlink(missing_ok=True)
    for file in folder.iterdir():
        file.unlink(missing_ok=True)


def has_ended(folder: Path) -> bool:
    """Whether the cell has ever ended here; what it left may be broken."""
    return (folder / STATE).is_file()


def read_state(folder: Path) -> dict[str, Any]:
    """How a cell that has ended ended, and who met whom.

    Raises:
        CellError: the state cannot be read, or is no state.
    """
    state = _json(folder / STATE)
    if not _is_state(state):
        raise CellError(f"{_named(folder / STATE)} is no cell's state.")
    return state  # type: ignore[no-any-return]


def _is_state(state: Any) -> bool:
    """Whether whoever reads a state finds in it what they look for: of optional things, that they are of their kind."""
    if not isinstance(state, dict) or not isinstance(state.get("status"), str):
        return False
    cell, error, flags = state.get("cell"), state.get("error"), state.get("flags") or []
    return (
        isinstance(cell, dict)
        and all(one is None or isinstance(one, str | int | float) for one in cell.values())
        and (
            not error
            or (isinstance(error, dict) and all(isinstance(error.get(name), str) for name in ("class", "message")))
        )
        and isinstance(flags, list)
        and all(isinstance(flag, dict) and isinstance(flag.get("flag"), str) for flag in flags)
        and isinstance(state.get("absent") or {}, dict)
        and isinstance(state.get("costs") or {}, dict)
        and isinstance(state.get("seconds", 0.0), int | float)
    )


_TEXTS = (
    "metric", "cell", "status", "flags", "recognizer", "defense", "attack", "surface", "knowledge", "dataset", "split",
    "judge", "recognizer_access",
)  # fmt: skip
_NUMBERS = ("value", "ci_lo", "ci_hi", "fmr", "n_aux", "seed")
_WHOSE = frozenset({"recognizer", "defense", "surface", "seed"})
_NEEDED = {
    "sar_type1": frozenset({"judge", "fmr"}), "sar_type2": frozenset({"judge", "fmr"}), "cosine": frozenset({"judge"}),
}  # fmt: skip
_KNOWN = frozenset(level.value for level in DefenseKnowledge)
_ACCESS = frozenset(access.value for access in RecognizerAccess)


def _is_row(row: Any) -> bool:
    """Whether it is a mapping of plain values that has what flags and tables look for in such a row."""
    if not isinstance(row, dict) or not {"metric", "cell", "flags"} <= set(row):
        return False
    plain_values = all(isinstance(one, str | int | float | None) for one in row.values())
    texts = all(isinstance(row.get(name) or "", str) for name in _TEXTS)
    if not (plain_values and texts and all(isinstance(row.get(name) or 0, int | float) for name in _NUMBERS)):
        return False
    if not row.get("attack") or row.get("status") != "ok" or row.get("split") != "victims":
        return True
    told = all(row.get(name) is not None for name in _WHOSE | _NEEDED.get(row["metric"], frozenset()))
    return told and row.get("knowledge") in _KNOWN and row.get("recognizer_access") in _ACCESS


def read_cell(folder: Path) -> EndedCell:
    """State and rows of a cell that has ended.

    Raises:
        CellError: they cannot be read, or are no state and no rows.
    """
    state, rows = read_state(folder), _json(folder / ROWS)
    if not isinstance(rows, list) or not rows or not all(map(_is_row, rows)):
        raise CellError(f"{_named(folder / ROWS)} holds no rows.")
    return EndedCell(folder, state, rows)


def damage(folder: Path, *, without: Iterable[str] = ()) -> str:
    """What is wrong with the files of a cell that has ended; nothing where nothing is. Reads every byte.

    Args:
        folder: the cell's.
        without: files that need not be there; they are looked at where they are.
    """
    try:
        sealed = read_state(folder).get(SEALED)
    except CellError as error:
        return str(error)
    if not isinstance(sealed, dict) or ROWS not in sealed:
        return f"{_named(folder / STATE)} does not say which files belong to the cell."
    spared = {name for name in without if not (folder / name).exists()}
    wrong = damaged(folder, {name: sha for name, sha in sealed.items() if name not in spared})
    return f"{_named(folder / wrong[0])} {wrong[1]}." if wrong else ""


def plain(value: Any) -> Any:
    """numpy and torch scalars, paths, enums -> JSON."""
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "value"):
        return value.value
    return str(value)


def _json(file: Path) -> Any:
    try:
        return read_json(file)
    except FileNotFoundError:
        raise CellError(f"{_named(file)} is missing.") from None
    except (OSError, ValueError) as error:
        raise CellError(f"{_named(file)} cannot be read ({error}).") from error


def _named(file: Path) -> str:
    return f"cells/{file.parent.name}/{file.name}"
