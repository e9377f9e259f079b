"""A committed board as the site reads it: its rows, and the tables that were committed with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ...core.errors import InputError
from ...core.spreadsheet import restored
from ..board_attributes import split_probes
from ..columns import SHOWN
from ..load import RunFolder, load_run, table_of
from ..rows import AttackId, View, view_of
from ..style import stem
from .age import Age, age_of

PAGES = ("index.html", "cells.html")
_RENDERED = "synthetic"  # the data set whose people are nobody
_NUMERIC = ("percent", "points", "number", "tenths", "unit", "small")


@dataclass(frozen=True)
class Board:
    """One folder of ``results/``.

    Args:
        name: of the folder.
        run: its rows and what it says of itself; without cells.
        age: of its rows.
        tables: name -> board, as committed.
    """

    name: str
    run: RunFolder
    age: Age
    tables: Mapping[str, pd.DataFrame]

    @property
    def home(self) -> str:
        """Folder of its report, from the site's pages."""
        return f"boards/{self.name}/"

    @property
    def title(self) -> str:
        """What the track calls itself."""
        return str(self.run.run.get("title") or self.run.run.get("track") or self.name)

    @property
    def datasets(self) -> Mapping[str, Mapping[str, Any]]:
        """Data set -> what the manifest says of it."""
        found = self.run.manifest.get("datasets")
        return found if isinstance(found, Mapping) else {}

    @property
    def real(self) -> bool:
        """Whether people stand behind its pictures; those of unknown data do."""
        return not self.datasets or any(name != _RENDERED for name in self.datasets)

    @property
    def faces(self) -> str:
        """Whose faces, in words."""
        told = [f"{name}, {int(about.get('identities') or 0):,} people" for name, about in self.datasets.items()]
        return f"{'real' if self.real else 'rendered'} ({'; '.join(told) or 'of unknown data'})"

    @property
    def command(self) -> str:
        """The words that make it again."""
        return str(self.run.run.get("command") or f"faceleak run {self.run.run.get('track') or self.name}")

    @property
    def flags(self) -> list[str]:
        """What was raised, F2 before F10."""
        names = {name for text in self.run.results["flags"].unique() for name in str(text).split(",")} - {"", "nan"}
        return sorted(names, key=lambda name: (len(name), name))

    @property
    def statuses(self) -> dict[str, int]:
        """Status -> how many cells ended so."""
        rows = self.run.results
        ended = rows[rows["metric"] == "cell"].drop_duplicates("cell")["status"].value_counts()
        whole = {"ok": int(rows["cell"].nunique() - (ended.sum() - ended.get("ok", 0)))}
        return whole | {str(status): int(n) for status, n in ended.items() if status != "ok"}

    @cached_property
    def view(self) -> View:
        """Its rows, as boards read them; probes of attributes have a board of their own."""
        return view_of(self.run, split_probes(self.run.results)[1])

    @cached_property
    def _cells(self) -> dict[tuple[str, ...], str]:
        """(data set, recognizer, defense, surface, attack and knowledge) -> its cell; of several seeds the first."""
        rows = self.run.results.sort_values("seed", kind="stable").drop_duplicates("cell")
        found: dict[tuple[str, ...], str] = {}
        for key, dataset, recognizer, defense, attack in rows[
            ["cell", "dataset", "recognizer", "defense", "attack"]
        ].itertuples(index=False, name=None):
            if not attack:
                found.setdefault((dataset, recognizer, defense, "", ""), key)
            elif who := self.view.who.get(key):
                found.setdefault((*who[:4], who.label), key)
                found.setdefault((*who[:4], who.attack), key)  # floors are named without their knowledge
        return found

    def cell_of(self, system: tuple[str, str, str], surface: str = "", attack: str = "") -> str:
        """The cell of an attack on (data set, recognizer, defense), or without one of what the system is worth."""
        return self._cells.get((*system, surface if attack else "", attack), "")

    def attacks(self) -> Iterator[tuple[AttackId, str]]:
        """Every attack on every system, with its cell."""
        for who in sorted(self.view.cells):
            yield who, self.cell_of(who[:3], who.surface, who.label)

    def figures(self, kind: str, *key: str) -> list[str]:
        """Paths of the pictures of one kind, of a data set, recognizer and surface, from the site's pages."""
        found = sorted(self.run.path.glob(f"figures/{stem(kind, *key)}*.png"))
        return [f"{self.home}figures/{file.name}" for file in found]


def committed(results: Path) -> list[Path]:
    """The folders of all boards.

    Raises:
        InputError: there is none.
    """
    found = sorted(file.parent for file in results.glob("*/run.json") if table_of(file.parent).is_file())
    if not found:
        raise InputError(
            f"{results} holds no board: a folder with run.json, results.csv and boards/. Give the folder of the "
            "committed boards with --results; `faceleak publish` makes one."
        )
    return found


def read(folder: Path) -> Board:
    """A board without its cells.

    Raises:
        InputError: its report is not there, or it shows people.
    """
    lacks = [name for name in (*PAGES, "boards/defenses.csv") if not (folder / name).is_file()]
    if lacks:
        raise InputError(f"{folder} has no {', '.join(lacks)}: `faceleak report {folder}` writes its report.")
    run = load_run(folder, cells=False)
    tables = {file.stem: _table(file) for file in sorted((folder / "boards").glob("*.csv"))}
    board = Board(folder.name, run, age_of(run.results), tables)
    shown = sorted(file.name for file in folder.glob("figures/grid-*"))
    if board.real and shown:
        raise InputError(
            f"{folder} is of real faces and has {shown[0]}, which shows recovered ones: such pictures stay in the run "
            "folder. Take the figures grid-* out of the board."
        )
    return board


def _table(file: Path) -> pd.DataFrame:
    """A board as committed, with the types that it was written from."""
    frame = pd.read_csv(file, dtype=str, keep_default_na=False).rename(columns=restored).map(restored)
    for name in frame:
        column = str(name)
        kind = SHOWN.get(column.removesuffix("_lo").removesuffix("_hi"))
        if kind and kind.kind in _NUMERIC:
            frame[column] = pd.to_numeric(frame[column].replace("", "nan"), errors="coerce")
        elif column == "is_noise":
            frame[column] = frame[column] == "True"
    return frame
