"""What the search finds: every cell of every board, so each attack on each system, and what each system is worth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from ..rows import UNDEFENDED
from ..style import surface_text
from ..tables import Cell, flag_cell
from .board import Board
from .threats import ordered

_WORTH = "no attack: accuracy"  # in place of an attack


@dataclass(frozen=True)
class Entry:
    """One cell.

    Args:
        board: where it is.
        cell: its key.
        attack: or what is measured without one.
        knowledge: K0 to K3.
        defense: title.
        surface: in words; empty without an attack.
        dataset: whose pictures.
        recognizer: attacked.
        sar2: SAR Type-II with its interval, in percent, or a word.
        accuracy: of verification, in percent.
        judge: who decided.
        flags: names, with their titles.
        grid: picture of what came back; empty where none was kept.
    """

    board: Board
    cell: str
    attack: str
    knowledge: str
    defense: str
    surface: str
    dataset: str
    recognizer: str
    sar2: Cell
    accuracy: Cell
    judge: str
    flags: tuple[tuple[str, str], ...]
    grid: str


def entries(boards: Sequence[Board]) -> list[Entry]:
    """All cells, real faces first, then the youngest board."""
    return [
        _entry(board, str(key), rows)
        for board in ordered(boards)
        for key, rows in board.run.results.groupby("cell", sort=False)
    ]


def _entry(board: Board, key: str, rows: pd.DataFrame) -> Entry:
    first, view = rows.iloc[0], board.view
    who = view.who.get(key)
    dataset, recognizer, defense, attack = (str(first[name]) for name in ("dataset", "recognizer", "defense", "attack"))
    judge = view.judge_of(who) if who else ""
    reached = view.get(who, "sar_type2", judge) if who else None
    sar2 = _percent(reached.value, reached.lo, reached.hi) if reached else Cell(_instead(rows), numeric=True)
    worth = None if attack else view.use((dataset, recognizer, defense), "accuracy")
    grids = board.figures("grid-attacks", dataset, recognizer, str(first["surface"])) if attack else []
    return Entry(
        board, key, who.attack if who else attack or _WORTH, str(first["knowledge"]) if attack else "", defense,
        surface_text(str(first["surface"])) if attack else "", dataset, recognizer, sar2,
        _percent(worth.value, worth.lo, worth.hi) if worth else Cell(""), judge,
        flag_cell(",".join(_flags(rows))).flags, grids[0] if grids and defense == UNDEFENDED else "",
    )  # fmt: skip


def _percent(value: float, lo: float, hi: float) -> Cell:
    interval = "" if math.isnan(lo) or math.isnan(hi) else f"{100 * lo:.1f} to {100 * hi:.1f}"
    return Cell(f"{100 * value:.1f}", f"{value:.6g}", interval, numeric=True)


def _instead(rows: pd.DataFrame) -> str:
    """Why there is no SAR: what became of the cell, or what it reads in place of a face."""
    ended = rows.loc[(rows["metric"] == "cell") & (rows["status"] != "ok"), "status"]
    if len(ended):
        return str(ended.iloc[0])
    auc = rows.loc[(rows["metric"] == "attribute_auc") & rows["value"].notna(), "value"]
    return f"attributes, AUC {auc.iloc[0]:.2f}" if len(auc) else ""


def _flags(rows: pd.DataFrame) -> Iterator[str]:
    names = {name for text in rows["flags"].unique() for name in str(text).split(",") if name}
    yield from sorted(names, key=lambda name: (len(name), name))
