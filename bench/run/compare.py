"""Two tables of results, row by row: which rows stand in one only, and in which columns the others differ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..record.results import COLUMNS

DIGITS = 1e-5  # relative; results.csv keeps six significant digits
NOTHING = 1e-12  # where sums of ones cancel, one processor leaves zero and another a last bit
_ROW = ["cell", "metric", "judge", "split", "fmr", "place"]
_SHOWN = 3  # rows of a cell that are named one by one where one column differs in the same way


def same_number(a: float, b: float) -> bool:
    """One number computed twice, perhaps on another processor, or read back from a table; both NaN count as equal."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= max(DIGITS * max(abs(a), abs(b)), NOTHING)


class Key(NamedTuple):
    """Which row of a cell; ``fmr`` is NaN-free: -1 where a metric has none; ``surface`` where the cell has none."""

    metric: str
    judge: str
    split: str
    fmr: float
    surface: str = ""


def key_of(row: Mapping[Any, Any], surface: str) -> Key:
    """The key of a row of results.csv, or of one that a measurement has made.

    Args:
        row: its columns.
        surface: of the cell.
    """
    own = str(row.get("surface") or "")
    fmr = float(math.nan if row.get("fmr") is None else row["fmr"])
    judge, split = str(row.get("judge") or ""), str(row["split"])
    return Key(str(row["metric"]), judge, split, -1.0 if math.isnan(fmr) else fmr, "" if surface else own)


@dataclass(frozen=True)
class Discord:
    """Something that a table says and the files of the cells do not, or the reverse."""

    cell: str
    key: Key | None  # the row; None where more than one, or none, is meant
    column: str  # "" where whole rows are meant
    told: str

    def __str__(self) -> str:
        row = f"{named(self.key)}: " if self.key else ""
        return f"{self.cell}  {row}{self.told}"


def named(key: Key) -> str:
    """A row in words."""
    rate = f" at FMR {key.fmr:g}" if key.fmr >= 0 else ""
    judge = f", judge {key.judge}" if key.judge else ""
    surface = f", {key.surface}" if key.surface else ""
    return f"{key.metric}{rate}{judge}{surface}, {key.split}"


def discords(written: pd.DataFrame, kept: pd.DataFrame) -> list[Discord]:
    """Where ``written``, a results.csv, is not what the cells have ``kept``; both as ``read_results`` gives them."""
    found = list(_cells(written, kept))
    whole = {discord.cell for discord in found}
    written, kept = (_numbered(table[~table["cell"].isin(whole)]) for table in (written, kept))
    both = written.merge(kept, how="outer", on=[*_ROW, "nth"], suffixes=("", " kept"), indicator="side")
    found += _rows(both)
    return found + list(_columns(both[both["side"] == "both"]))


def same_text(a: str, b: str) -> bool:
    """Equal, or one number in two spellings: who saves a table again turns 1 into 1.0 and 007 into 7."""
    a, b = a.replace("\r\n", "\n"), b.replace("\r\n", "\n")
    if a == b:
        return True
    try:
        first, second = float(a), float(b)
    except ValueError:
        return False
    return first == second or abs(first - second) <= DIGITS * abs(second)


def _cells(written: pd.DataFrame, kept: pd.DataFrame) -> Iterator[Discord]:
    """Cells that stand on one side only."""
    mine, theirs = Counter(written["cell"]), Counter(kept["cell"])
    for cell in sorted(set(theirs) - set(mine)):
        yield Discord(cell, None, "", f"none of its {theirs[cell]} rows is in results.csv ({_who(kept, cell)})")
    for cell in sorted(set(mine) - set(theirs)):
        yield Discord(str(cell), None, "", f"no such cell has ended in this run, but it has {mine[cell]} rows in"
                      f" results.csv ({_who(written, cell)})")  # fmt: skip


def _who(table: pd.DataFrame, cell: str) -> str:
    row = table[table["cell"] == cell].iloc[0]
    names = (row[name] for name in ("recognizer", "defense", "surface", "attack", "knowledge"))
    return " / ".join(str(name) for name in names if name)


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    """With FMRs that can be matched, and a number for each row of one name."""
    fmr = table["fmr"].fillna(-1.0).map(lambda value: float(f"{value:.6g}"))
    place = table["surface"].where(table["attack"] == "", "")  # a cell without an attack has rows of every surface
    table = table[list(COLUMNS)].assign(fmr=fmr, place=place)
    return table.assign(nth=table.groupby(_ROW, dropna=False).cumcount())


def _rows(both: pd.DataFrame) -> Iterator[Discord]:
    for side, told in (("right_only", "the row is not in results.csv"), ("left_only", "a row that the cell has not")):
        for _, row in both[both["side"] == side].iterrows():
            yield Discord(row["cell"], _key(row), "", told + (", a second time" if row["nth"] else ""))


def _columns(both: pd.DataFrame) -> Iterator[Discord]:
    for column in (name for name in COLUMNS if name not in _ROW):
        mine, theirs = both[column], both[f"{column} kept"]
        if mine.dtype.kind in "fi" and theirs.dtype.kind in "fi":
            differs = ~np.isclose(mine, theirs, rtol=DIGITS, atol=0, equal_nan=True)
        else:
            differs = (mine != theirs).to_numpy(copy=True)
            pairs = zip(mine[differs].astype(str), theirs[differs].astype(str), strict=True)
            differs[differs] = [not same_text(a, b) for a, b in pairs]
        told = both[differs].groupby(["cell", column, f"{column} kept"], sort=True, dropna=False)
        for (cell, a, b), rows in told:
            words = f"{column}: written {_text(a)}, the cell says {_text(b)}"
            if len(rows) > _SHOWN:
                yield Discord(str(cell), None, column, f"{words} ({len(rows)} rows)")
            else:
                yield from (Discord(str(cell), _key(row), column, words) for _, row in rows.iterrows())


def _key(row: pd.Series) -> Key:
    end = " kept" if row["side"] == "right_only" else ""
    surface = str(row[f"surface{end}"])
    columns: dict[Any, Any] = row.to_dict() | {"surface": surface}
    return key_of(columns, surface if row[f"attack{end}"] else "")


def _text(value: object) -> str:
    if isinstance(value, float):
        return "nothing" if np.isnan(value) else f"{value:.6g}"
    return str(value) or "nothing"
