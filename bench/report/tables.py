"""Boards as the page shows them: every cell's text, its interval, what it sorts by and what it is filtered by."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import pandas as pd

from ..record.flags import FLAGS
from .board_attacks import ROLE_ORDER, with_undefended
from .columns import COLUMN_HELP, SHOWN, Shown
from .one_judge import OWN_SPACE
from .rows import UNDEFENDED

Words: TypeAlias = "dict[str, tuple[Shown, str]]"  # column -> how it is shown, what it means

_OWN = ("†", "It draws no picture: scored in the space of its embeddings, not by the judge.")
_NUMERIC = ("percent", "points", "number", "tenths", "unit", "small")
_DECIMALS = {"percent": 1, "tenths": 1, "unit": 2}


@dataclass(frozen=True)
class Head:
    """One column heading."""

    label: str
    help: str
    numeric: bool
    defense: str = ""  # set on the matrix, where a column belongs to a defense


@dataclass(frozen=True)
class Cell:
    """One table cell."""

    text: str
    sort: str = ""
    interval: str = ""
    numeric: bool = False
    flags: tuple[tuple[str, str], ...] = ()
    defense: str = ""
    shade: str = ""
    cell: str = ""  # the cell of the run that the number is from
    strong: bool = False  # nothing that it is compared with is proven to be higher


@dataclass(frozen=True)
class Line:
    """One table row and what the filters compare with."""

    cells: list[Cell]
    defense: str = ""
    knowledge: str = ""
    tone: str = ""
    new: bool = False  # of a newcomer to a merged board


@dataclass(frozen=True)
class Table:
    """A sortable table."""

    name: str
    title: str
    heads: list[Head]
    lines: list[Line]
    help: list[tuple[str, str]] = field(default_factory=list)


def board_table(
    board: pd.DataFrame,
    columns: Sequence[str],
    name: str,
    title: str,
    words: Words | None = None,
    cell_of: Callable[[pd.Series, str], str] = lambda row, column: "",
) -> Table:
    """A board with the chosen columns; those without a single value are left out.

    Args:
        board: rows.
        columns: in their order.
        name: anchor.
        title: heading.
        words: how columns are shown that ``columns.py`` does not know, and what they mean.
        cell_of: row and column -> the cell of the run that the number is from; empty for none.
    """
    words = _known(columns) | (words or {})
    used = [column for column in columns if column in board and _has_values(board[column])]
    if "pareto" in used and not (board["pareto"] == "yes").any():
        used.remove("pareto")
    if "status" in used and (board["status"] == "ok").all():
        used.remove("status")
    heads = [Head(words[c][0].label, words[c][1], words[c][0].kind in _NUMERIC) for c in used]
    lines = []
    for _, row in board.iterrows():
        knowledge = str(row["knowledge"]) if "knowledge" in board and row.get("role", "attack") == "attack" else ""
        defense = str(row["defense"]) if "defense" in board else ""
        tone = "plain" if defense == UNDEFENDED else str(row.get("role", ""))
        cells = [replace(_cell(row, c, words[c][0].kind), cell=cell_of(row, c)) for c in used]
        lines.append(Line(cells, defense, knowledge, tone))
    return Table(name, title, heads, lines, [(words[c][0].label, words[c][1]) for c in used])


def matrix_table(matrix: pd.DataFrame, keys: Mapping[tuple[str, ...], str], name: str, title: str) -> Table:
    """Attack x defense under one judge; a column belongs to a defense, a row to an attack and its knowledge.

    Args:
        matrix: rows of the long matrix, of one data set, recognizer, surface and judge.
        keys: the cell of each (attack, knowledge, defense).
        name: anchor.
        title: heading.
    """
    full = with_undefended(matrix)
    defenses = sorted(full["defense"].unique(), key=lambda d: (d != UNDEFENDED, d))
    heads = [Head("attack", COLUMN_HELP["attack"], False), Head("knows", COLUMN_HELP["knowledge"], False)]
    heads += [Head(d, f"SAR Type-II in percent on {d}.", True, d) for d in defenses]
    found = {(row["attack"], row["knowledge"], row["defense"]): row for _, row in full.iterrows()}
    shown = full[["role", "attack", "knowledge"]].drop_duplicates().itertuples(index=False, name=None)
    lines = []
    reach = full.groupby("attack")["sar2"].max().fillna(-1.0)
    for role, attack, knowledge in sorted(shown, key=lambda key: (ROLE_ORDER[key[0]], -reach[key[1]], key)):
        cells = [Cell(attack, attack), Cell(knowledge, knowledge)]
        plain = attack.removesuffix(OWN_SPACE)
        cells += [
            _matrix_cell(found.get((attack, knowledge, d)), d, keys.get((plain, knowledge, d), "")) for d in defenses
        ]
        lines.append(Line(cells, "", knowledge if role == "attack" else "", role))
    return Table(
        name, title, heads, lines, [("a number", COLUMN_HELP["sar2"]), ("a word", COLUMN_HELP["status"]), _OWN]
    )


def _matrix_cell(row: pd.Series | None, defense: str, cell: str) -> Cell:
    if row is None:
        return Cell("", "", numeric=True, defense=defense)
    if math.isnan(row["sar2"]):
        return Cell(str(row["status"]), "", numeric=True, defense=defense, shade="word", cell=cell)
    shade = f"h{min(int(row['sar2'] * 10), 9)}"
    text = f"{100 * row['sar2']:.1f}"
    interval = _interval(row, "sar2", 100, "percent")
    strong = row["best"] == "yes"
    return Cell(text, f"{row['sar2']:.6g}", interval, True, defense=defense, shade=shade, cell=cell, strong=strong)


def _known(columns: Sequence[str]) -> Words:
    return {column: (SHOWN[column], COLUMN_HELP[column]) for column in columns if column in SHOWN}


def _has_values(values: pd.Series) -> bool:
    return bool((values.notna() & (values.astype(str) != "")).any())


def _cell(row: pd.Series, column: str, kind: str) -> Cell:
    value = row[column]
    if kind == "flags":
        return flag_cell(str(value))
    if kind == "mark":
        return Cell("●" if value == "yes" else "", "1" if value == "yes" else "0")
    if column == "status":
        return Cell(str(value), str(value), shade="" if value == "ok" else "word")
    if kind == "text":
        return Cell(str(value), str(value))
    if value is None or math.isnan(value):
        return Cell("", "", numeric=True)
    scale = 100.0 if kind in ("percent", "points") else 1.0
    return Cell(_number(float(value) * scale, kind), f"{value:.6g}", _interval(row, column, scale, kind), True)


def _number(value: float, kind: str) -> str:
    if math.isinf(value):
        return "∞"
    if kind == "points":
        return f"{value:+.1f}".replace("-", "−")
    if kind == "small":
        return f"{value:.3f}" if value >= 0.0005 else "< 0.001"
    if kind in _DECIMALS:
        return f"{value:.{_DECIMALS[kind]}f}".replace("-", "−")
    if value == int(value) and abs(value) >= 1e4:
        return f"{int(value):,}".replace(",", " ")
    return f"{int(value)}" if value == int(value) else f"{value:.3g}".replace("-", "−")


def _interval(row: pd.Series, column: str, scale: float, kind: str) -> str:
    """With the decimals of the value that it stands under; a ratio's may end nowhere."""
    lo, hi = row.get(f"{column}_lo", math.nan), row.get(f"{column}_hi", math.nan)
    if math.isnan(lo) or math.isnan(hi):
        return ""
    decimals = _DECIMALS.get(kind, 1)
    upper = "∞" if math.isinf(hi) else f"{scale * hi:.{decimals}f}"
    return f"{scale * lo:.{decimals}f} to {upper}".replace("-", "−")


def flag_cell(text: str) -> Cell:
    """Flag names with their titles, for links to their explanations."""
    names = [name for name in text.split(",") if name]
    titled = tuple((name, FLAGS[name].title if name in FLAGS else "no explanation for this flag") for name in names)
    return Cell("", f"{len(names):03d}", flags=titled)


def failure_rows(run_cells: Sequence[Any], results: pd.DataFrame) -> list[dict[str, str]]:
    """Every cell that is not ok, from its state.json, or from results.csv where it left no file."""
    names = ("dataset", "recognizer", "surface", "defense", "attack", "knowledge", "seed")
    found = []
    for cell in run_cells:
        if cell.status not in ("ok", "done", "finished"):
            error = cell.error or {}
            row = {name: cell.text(name) for name in names} | {"cell": cell.path.name, "status": cell.status}
            message = {"error": str(error.get("class", "")), "message": str(error.get("message", ""))}
            found.append(row | message | {"command": cell.command})
    listed = {cell.path.name for cell in run_cells}
    bad = results[(results["metric"] == "cell") & (results["status"] != "ok") & ~results["cell"].isin(list(listed))]
    for _, line in bad.drop_duplicates("cell").iterrows():
        texts = {name: "" if pd.isna(line[name]) else str(line[name]).removesuffix(".0") for name in names}
        silent = {"error": "", "message": "", "command": ""}
        found.append(texts | {"cell": str(line["cell"]), "status": str(line["status"])} | silent)
    return sorted(found, key=lambda row: (row["status"], row["cell"]))
