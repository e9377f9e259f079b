"""Reconstruction grids: rows are victims fixed by a hash of their id, columns are attacks or defenses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ..record.cell_files import PICTURES
from .load import CellFile
from .rows import UNDEFENDED
from .style import COLUMN, GREY, ROLE_COLOUR, Made, new_figure, save, squash, stem, surface_text

_TILES = 10  # columns per page; one tile is then about 0.6 inch in a two-column figure
_VICTIMS = 6

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Column:
    """One column of a grid: a heading and a tile per victim, with the judge's cosine where there is one."""

    heading: str
    colour: str
    tiles: Picture
    cosine: npt.NDArray[np.float32] | None
    cell: str


def draw_grids(
    cells: Sequence[CellFile], attacks: pd.DataFrame, defenses: pd.DataFrame, folder: Path, problems: list[str]
) -> list[Made]:
    """Two grids per data set, recognizer and surface: all attacks undefended; the strongest attack on each defense."""
    held = _with_pictures(cells)
    made = []
    for group in sorted({_group(cell) for cell in held}):
        here = [cell for cell in held if _group(cell) == group]
        ladder = _rows(attacks, group).drop_duplicates("attack")
        blocks = [[column] for column in _attack_columns(here, ladder, problems)]
        text = _caption(group[2], "each attack returned when nothing protects it")
        made += _pages(blocks, "attacks", group, folder, text)
        blocks = _defense_columns(here, _rows(defenses, group), problems)
        text = _caption(group[2], "the strongest attack on each defense returned")
        made += _pages(blocks, "defenses", group, folder, text)
    return made


def _group(cell: CellFile) -> tuple[str, str, str]:
    return cell.text("dataset"), cell.text("recognizer"), cell.text("surface")


def _rows(board: pd.DataFrame, group: tuple[str, str, str]) -> pd.DataFrame:
    return board[(board["dataset"] == group[0]) & (board["recognizer"] == group[1]) & (board["surface"] == group[2])]


def _caption(surface: str, what: str) -> str:
    return (
        f"What {what}, from the {surface_text(surface)}. The people were picked by a hash of their id, not by how "
        f"well the "
        "attacks did. Under each tile: how alike a judge finds it to the original (cosine, 1 is the same)."
    )


def _with_pictures(cells: Sequence[CellFile]) -> list[CellFile]:
    """The cells that kept pictures; of several seeds the first."""
    found: dict[tuple[str, ...], CellFile] = {}
    for cell in sorted(cells, key=lambda c: (c.seed, c.path.name)):
        names = ("dataset", "recognizer", "surface", "defense", "attack", "knowledge")
        if (cell.path / PICTURES).is_file():
            found.setdefault(tuple(cell.text(name) for name in names), cell)
    return list(found.values())


def _load(cell: CellFile, problems: list[str]) -> dict[str, npt.NDArray[Any]]:
    try:
        parts = load_file(cell.path / PICTURES)
    except (OSError, ValueError, SafetensorError) as error:
        problems.append(f"cells/{cell.path.name}/{PICTURES} cannot be read ({error}).")
        return {}
    good = {name: part for name, part in parts.items() if name == "cosine" or (part.ndim == 4 and part.shape[1] == 3)}
    return good if {"original", "recovered"} <= set(good) else {}


def _column(cell: CellFile, heading: str, colour: str, problems: list[str]) -> tuple[list[Column], list[Column]]:
    """(columns shared by the grid: original and leak, the column of this cell); both empty if it cannot be read."""
    parts = _load(cell, problems)
    if not parts:
        return [], []
    shared = [Column("original", GREY, parts["original"], None, cell.path.name)]
    if "leak" in parts:
        shared.append(Column("the leak as a picture", GREY, parts["leak"], None, cell.path.name))
    return shared, [Column(heading, colour, parts["recovered"], parts.get("cosine"), cell.path.name)]


def _attack_columns(cells: list[CellFile], ladder: pd.DataFrame, problems: list[str]) -> list[Column]:
    plain = [cell for cell in cells if cell.text("defense") == UNDEFENDED]
    by_attack = {cell.text("attack"): cell for cell in sorted(plain, key=lambda c: c.text("knowledge"), reverse=True)}
    shared: list[Column] = []
    columns: list[Column] = []
    for _, row in ladder.iterrows():
        cell = by_attack.get(str(row["attack"]).split(" [")[0])
        if cell is not None:
            front, own = _column(cell, str(row["attack"]), ROLE_COLOUR[row["role"]], problems)
            shared, columns = max(shared, front, key=len), columns + own
    return shared + columns


def _defense_columns(cells: list[CellFile], board: pd.DataFrame, problems: list[str]) -> list[list[Column]]:
    """The original, then per defense its leak where it is a picture, and what the strongest attack made of it."""
    blocks: list[list[Column]] = []
    for _, row in board.iterrows():
        label, defense = str(row["worst_attack"]), str(row["defense"])
        here = [c for c in cells if c.text("defense") == defense]
        match = [c for c in here if label in (f"{c.text('attack')} ({c.text('knowledge')})", c.text("attack"))]
        front, own = _column(match[0], f"{defense}: {label}", ROLE_COLOUR["attack"], problems) if match else ([], [])
        if own:
            blocks += [] if blocks else [front[:1]]
            blocks.append([replace(column, heading=f"{defense}: the leak") for column in front[1:]] + own)
    return blocks


def _pages(
    blocks: list[list[Column]], kind: str, group: tuple[str, str, str], folder: Path, caption: str
) -> list[Made]:
    """Blocks stay together; the first one, the original, opens every page."""
    pages: list[list[Column]] = []
    for block in blocks[1:]:
        if not pages or len(pages[-1]) + len(block) > _TILES:
            pages.append(list(blocks[0]))
        pages[-1] += block
    made = []
    for number, columns in enumerate(pages, start=1):
        name = stem(f"grid-{kind}", *group, "" if number == 1 else str(number))
        _draw(columns, kind, group, folder / name)
        made.append(Made(name, "grid", caption, group[2], group[0], group[1]))
    return made


def _draw(columns: list[Column], kind: str, group: tuple[str, str, str], path: Path) -> None:
    victims = min(_VICTIMS, *(len(column.tiles) for column in columns))
    tile = (2 * COLUMN - 0.12) / _TILES
    headings = [squash(column.heading, 11) for column in columns]
    head = 0.5 + 0.1 * max(text.count("\n") + 1 for text in headings)
    pitch = tile + 0.13
    height = head + pitch * victims + 0.06
    figure = new_figure(2 * COLUMN, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 2 * COLUMN), ylim=(height, 0))
    axes.axis("off")
    twin = []
    for x, (column, heading) in enumerate(zip(columns, headings)):
        left = 0.06 + x * tile
        axes.text(left + tile / 2, head - 0.05, heading, ha="center", va="baseline", fontsize=6, color=column.colour,
                  linespacing=1.1)  # fmt: skip
        for y in range(victims):
            top = head + y * pitch
            picture = column.tiles[y].transpose(1, 2, 0)
            extent = (left + 0.02, left + tile - 0.02, top + tile - 0.04, top)
            axes.imshow(picture, extent=extent, aspect="auto", interpolation="nearest")
            cosine = float("nan") if column.cosine is None else float(column.cosine[y])
            if column.cosine is not None:
                axes.text(left + tile / 2, top + tile + 0.02, f"{cosine:.2f}", ha="center", va="center", fontsize=5.8,
                          color=GREY)  # fmt: skip
            twin.append({"victim": y + 1, "column": column.heading, "cosine": cosine, "cell": column.cell})
    axes.set(xlim=(0, 2 * COLUMN), ylim=(height, 0))
    what = "every attack, undefended" if kind == "attacks" else "strongest attack per defense"
    axes.text(
        0.08, 0.14, f"Faces recovered from the {surface_text(group[2])}", fontsize=9.5, weight="bold", va="center"
    )
    about = f"{what}  ·  data {group[0]}  ·  recognizer {group[1]}  ·  numbers: judge's cosine to the original"
    axes.text(0.08, 0.32, about, color=GREY, va="center")
    save(figure, path.parent, path.name, pd.DataFrame(twin))
