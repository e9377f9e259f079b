"""The attack x defense matrix as a heat map with its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.patches import Rectangle

from .board_attacks import ROLE_ORDER, with_undefended
from .one_judge import under_one_judge
from .rows import UNDEFENDED
from .style import COLUMN, GREY, INK, Made, fmr_text, groups_of, new_figure, save, shorten, stem, surface_text

# Lightness falls steadily, so that the map reads in grey print and for every kind of colour vision.
_COLOURS = LinearSegmentedColormap.from_list("leak", ["#fbf7f0", "#f3c98b", "#d9772f", "#8c2d19", "#3d0f14"])
_WORDS = {
    "failed": "failed", "refused": "ref.", "not-applicable": "n/a", "absent": "abs.", "skipped-budget": "cut",
    "not-scored": "–",
}  # fmt: skip
_ROW, _TITLE = 0.165, 0.42  # inches
_NAME = 32  # letters
_WIDEST = 2.4  # inches of a column, where there are few


def draw_matrices(matrix: pd.DataFrame, fmr: float, folder: Path) -> list[Made]:
    """One heat map per data set, recognizer and surface, by the independent judge, or the target if there is none."""
    made = []
    for (dataset, recognizer, surface), rows in groups_of(with_undefended(matrix)):
        shown, judge = under_one_judge(rows)
        if shown["sar2"].isna().all():
            continue
        name = stem("matrix", dataset, recognizer, surface)
        _draw(shown, f"data {dataset}  ·  recognizer {recognizer}  ·  judge {judge}", surface, fmr, folder / name)
        caption = (
            f"Every attack (rows) on every defense (columns) of the {surface_text(surface)}: percent of victims "
            f"recovered. Darker "
            "means more leaks. K0 attacks do not know the defense, K1 attacks were trained against it, K2 know its "
            "algorithm, "
            "K3 know the victim's secrets too. Words stand where there is no number: n/a, the attack cannot take this "
            "leak. An attack marked † draws no picture: it is scored in the space of its embeddings, not by the judge."
        )
        made.append(Made(name, "matrix", caption, surface, dataset, recognizer))
    return made


def _draw(rows: pd.DataFrame, about: str, surface: str, fmr: float, path: Path) -> None:
    values = rows.pivot(index=["role", "attack", "knowledge"], columns="defense", values="sar2")
    status = rows.pivot(index=["role", "attack", "knowledge"], columns="defense", values="status")
    columns = [name for name in values.mean().sort_values(ascending=False, kind="stable").index if name != UNDEFENDED]
    columns = [name for name in (UNDEFENDED,) if name in values] + columns
    best = {
        key[1]: max(_mean(values.loc[other]) for other in values.index if other[1] == key[1]) for key in values.index
    }
    order = sorted(values.index, key=lambda key: (ROLE_ORDER[key[0]], -best[key[1]], key))
    levels = {name: len({key[2] for key in order if key[1] == name}) for _, name, _ in order}
    told = [key[2] if key[0] == "attack" or levels[key[1]] > 1 else "" for key in order]
    labels = [f"{shorten(key[1], _NAME)}  {level}".rstrip() for key, level in zip(order, told)]
    side = 0.35 + 0.052 * max(map(len, labels))
    heads = [shorten(name, _NAME) for name in columns]
    slant = 0.12 + 0.035 * max(map(len, heads))
    # A slanted heading leans out to the right of its column: only the last ones can leave the figure.
    lean = max(0.045 * len(name) - 0.36 * (len(heads) - i - 1) for i, name in enumerate(heads)) + 0.05
    cell = min(max((2 * COLUMN - side - lean) / (len(columns) - 0.5), 0.36), _WIDEST)
    units = max(2, math.ceil((side + cell * (len(columns) - 0.5) + lean) / COLUMN))
    breaks = sum(a[0] != b[0] for a, b in pairwise(order))
    height = _TITLE + slant + _ROW * (len(order) + 0.5 * breaks) + 0.12
    figure = new_figure(units * COLUMN, height)
    area = (side / (units * COLUMN), 0.08 / height, cell * len(columns) / (units * COLUMN))
    axes = figure.add_axes((*area, 1 - (_TITLE + slant + 0.12) / height))
    axes.set(xlim=(0, len(columns)), ylim=(len(order) + 0.5 * breaks, 0))
    numbers = values.loc[order, columns].to_numpy(dtype=float)
    words = status.loc[order, columns].to_numpy()
    y, role = 0.0, order[0][0]
    places = []
    for i, key in enumerate(order):
        y, role = y + (0.5 if key[0] != role else 0.0), key[0]
        places.append(y)
        for x in range(len(columns)):
            draw_cell(axes, x, y, numbers[i, x], words[i, x])
        y += 1
    label_axes(axes, places, labels, heads)
    title = f"Victims recovered from the {surface_text(surface)}, percent"
    figure.text(0.1 / (units * COLUMN), 1 - 0.14 / height, title, fontsize=9.5, weight="bold", va="center")
    line = f"SAR Type-II at {fmr_text(fmr)}  ·  {about}"
    figure.text(0.1 / (units * COLUMN), 1 - 0.32 / height, line, color=GREY, va="center")
    save(figure, path.parent, path.name, rows)


def label_axes(axes: Axes, places: Sequence[float], rows: list[str], columns: list[str]) -> None:
    """Names of rows on the left and of columns on top, and no frame."""
    axes.set_yticks([y + 0.5 for y in places], rows)
    axes.set_xticks([x + 0.5 for x in range(len(columns))], columns, rotation=40, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=2, labelcolor=INK)
    for side in axes.spines.values():
        side.set_visible(False)


def draw_cell(axes: Axes, x: float, y: float, value: float, status: object) -> None:
    """A share as a coloured square with its percentage, or a word for why there is none."""
    known = not math.isnan(value)
    word = f"{100 * value:.0f}" if known else _WORDS.get(str(status), "") if isinstance(status, str) else ""
    face = _COLOURS(value) if known else to_rgba("#f2f2f2")
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="white", lw=1.0))
    light = 0.2126 * face[0] + 0.7152 * face[1] + 0.0722 * face[2]
    colour = (INK if light > 0.5 else "white") if known else ("#9a1b1b" if word == "failed" else GREY)
    axes.text(x + 0.5, y + 0.52, word, ha="center", va="center", fontsize=6.2 if known else 5.4, color=colour)


def _mean(values: pd.Series) -> float:
    known = values.dropna()
    return float(known.mean()) if len(known) else -1.0
