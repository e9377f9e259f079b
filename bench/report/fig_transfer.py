"""Attacked recogniser x judge: does what fools one network fool another?"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .fig_matrix import draw_cell, label_axes
from .style import COLUMN, GREY, Made, fmr_text, new_figure, save, shorten, stem, surface_text

_SIDE, _ROW, _HEAD, _NAME = 1.1, 0.3, 1.05, 22  # inches: row names, a row, all above them; letters of a name


def draw_transfers(transfer: pd.DataFrame, fmr: float, folder: Path) -> list[Made]:
    """One heat map per data set and surface on which more than one recognizer judged."""
    made = []
    for key, rows in transfer.groupby(["dataset", "surface"]):
        dataset, surface = (str(part) for part in key)
        if rows["judge"].nunique() < 2:
            continue
        name = stem("transfer", dataset, surface)
        _draw(rows, dataset, surface, fmr, folder / name)
        caption = (
            "Unprotected system: victims recovered by the strongest attack on the recognizer of the row, as the judge "
            "of the column sees it. Where the attacked recognizer judges itself the number is usually higher: that "
            "part is its blind spots and not the person."
        )
        made.append(Made(name, "transfer", caption, surface, dataset))
    return made


def _draw(rows: pd.DataFrame, dataset: str, surface: str, fmr: float, path: Path) -> None:
    values = rows.pivot(index="recognizer", columns="judge", values="strongest_sar2")
    height = _HEAD + _ROW * len(values)
    figure = new_figure(COLUMN, height)
    axes = figure.add_axes((_SIDE / COLUMN, 0.06 / height, 1 - (_SIDE + 0.1) / COLUMN, _ROW * len(values) / height))
    axes.set(xlim=(0, values.shape[1]), ylim=(len(values), 0))
    for y, numbers in enumerate(values.to_numpy(dtype=float)):
        for x, value in enumerate(numbers):
            draw_cell(axes, x, y, value, "not-scored")
    rows_named, columns_named = (
        [shorten(str(name), _NAME) for name in names] for names in (values.index, values.columns)
    )
    label_axes(axes, list(range(len(values))), rows_named, columns_named)
    title = f"Transfer from the {surface_text(surface)}, percent"
    figure.text(0.03, 1 - 0.14 / height, title, fontsize=8.5, weight="bold", va="center")
    line = f"SAR Type-II at {fmr_text(fmr)}  ·  rows attacked, columns judge  ·  data {dataset}"
    figure.text(0.03, 1 - 0.32 / height, line, color=GREY, va="center", fontsize=6)
    save(figure, path.parent, path.name, rows)
