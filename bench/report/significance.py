"""Who is above whom: the long table of paired comparisons, and what ranks, bold numbers and sentences ask of it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

ATTACKS, DEFENSES = "attacks", "defenses"

BETWEEN = "difference_sd"  # between seeds; on the boards of runs with several
SIGNIFICANCE_COLUMNS = (
    "dataset", "recognizer", "surface", "kind", "system", "judge", "a", "b", "a_value", "b_value", "difference",
    "difference_lo", "difference_hi", BETWEEN, "p", "p_holm", "significant", "n", "n_seeds",
)  # fmt: skip


class Place(NamedTuple):
    """What is compared within: attacks on one system, or defences (``system`` empty) of one surface."""

    dataset: str
    recognizer: str
    surface: str
    kind: str
    system: str = ""


class Verdicts:
    """The comparisons of a run; without any, whoever asks falls back to intervals that do not touch."""

    def __init__(self, table: pd.DataFrame | None = None) -> None:
        self._above: dict[tuple[Place, str, str], bool] = {}
        for row in () if table is None else table.to_dict("records"):
            place = Place(*(str(row[name]) for name in Place._fields))
            proven = row["significant"] == "yes"
            for a, b, gap in ((row["a"], row["b"], row["difference"]), (row["b"], row["a"], -row["difference"])):
                self._above[place, str(a), str(b)] = proven and gap > 0

    def above(self, place: Place, a: str, b: str, ends: tuple[float, float]) -> bool:
        """Whether it is proven that more is recovered by, or in spite of, ``a`` than ``b``.

        Args:
            place: what they are compared within.
            a: an attack's label, or a defence.
            b: another.
            ends: lower end of a's interval and upper end of b's, where the two were never compared.
        """
        found = self._above.get((place, a, b))
        return bool(ends[0] > ends[1]) if found is None else found

    def __bool__(self) -> bool:
        return bool(self._above)


def leak_less(row: Mapping[Hashable, Any], rows: pd.DataFrame, verdicts: Verdicts) -> int:
    """How many of ``rows`` are proven to leak less than ``row``; both of the defense board with ``reach``."""
    dataset, recognizer, surface = (str(row.get(name, "")) for name in Place._fields[:3])
    place = Place(dataset, recognizer, surface, DEFENSES)
    return sum(
        verdicts.above(place, str(row["defense"]), str(other["defense"]), (row["reach_lo"], other["reach_hi"]))
        for other in rows.to_dict("records")
        if other["defense"] != row["defense"]
    )


def order_of(rows: pd.DataFrame) -> list[tuple[str, float]]:
    """Who occurs in comparisons, with the number on the board, the highest first."""
    sides = [rows[[side, f"{side}_value"]].set_axis(["name", "value"], axis=1) for side in ("a", "b")]
    every = pd.concat(sides).drop_duplicates("name").sort_values(["value", "name"], ascending=[False, True])
    return [(str(name), float(value)) for name, value in every.itertuples(index=False, name=None)]


def family_of(table: pd.DataFrame, key: Sequence[Hashable]) -> int:
    """Over how many comparisons Holm's method corrected one: those of its data set, recogniser, surface and kind, on
    every system."""
    same = (table[list(Place._fields[:4])].astype(str) == [str(part) for part in key]).all(axis=1)
    return int(same.sum())


def read_table(file: Path) -> pd.DataFrame:
    """``significance.csv`` back; without rows where it is empty or another table."""
    empty = pd.DataFrame(columns=list(SIGNIFICANCE_COLUMNS))
    try:
        table = pd.read_csv(file, keep_default_na=False, na_values={name: [""] for name in _NUMBERS})
    except (OSError, ValueError):
        return empty
    if not set(SIGNIFICANCE_COLUMNS) - {BETWEEN} <= set(table):
        return empty
    return table if BETWEEN in table else table.assign(**{BETWEEN: math.nan})[list(SIGNIFICANCE_COLUMNS)]


_NUMBERS = (
    "a_value", "b_value", "difference", "difference_lo", "difference_hi", BETWEEN, "p", "p_holm", "n", "n_seeds",
)  # fmt: skip
