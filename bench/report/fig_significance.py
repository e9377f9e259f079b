"""Who is proven to be above whom, as a map of paired differences: attacks on the undefended system, and defences."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from .rows import UNDEFENDED
from .significance import ATTACKS, DEFENSES, family_of, order_of
from .style import COLUMN, GREY, INK, Made, fmr_text, new_figure, save, shorten, stem, surface_text

_COLOURS = LinearSegmentedColormap.from_list("above", ["#fbf7f0", "#f3c98b", "#d9772f", "#8c2d19", "#3d0f14"])
_TIE = "#f2f2f2"
_ROW, _TITLE, _NAME, _MOST = 0.17, 0.62, 30, 40  # inches, inches, letters, rows


def draw_significance(table: pd.DataFrame, fmr: float, folder: Path) -> list[Made]:
    """One map per data set, recogniser, surface and kind that has at least three entries.

    Args:
        table: ``significance`` of ``build_boards``.
        fmr: the headline false match rate.
        folder: where PNG, PDF and CSV go.
    """
    made = []
    shown = table[(table["kind"] == DEFENSES) | (table["system"] == UNDEFENDED)]
    for key, whole in shown.groupby(["dataset", "recognizer", "surface", "kind"]):
        dataset, recognizer, surface, kind = map(str, key)
        judge = whole["judge"].value_counts().index[0] if kind == ATTACKS else ""
        rows = whole[whole["judge"] == judge] if kind == ATTACKS else whole
        order = order_of(rows)[:_MOST]
        if len(order) < 3:
            continue
        name = stem("significance", kind, dataset, recognizer, surface)
        what = "Attacks on the unprotected" if kind == ATTACKS else "Defenses of the"
        title = f"{what} {surface_text(surface)}: who is above whom"
        about = [
            "  ·  ".join(
                [f"SAR Type-II at {fmr_text(fmr)}", dataset, recognizer, *([f"judge {judge}"] if judge else [])]
            ),
            f"paired by victim{_of_seeds(rows)}, corrected by Holm's method for {family_of(table, key)} comparisons",
        ]
        _draw(rows, order, title, about, folder / name)
        whom = "Every two attacks and floors" if kind == ATTACKS else "Every two defenses, each by its strongest attack"
        caption = (
            f"{whom}: how many points of SAR Type-II the row is above the column, where that is proven (exact "
            "sign-flip test over victims, Holm's correction over all comparisons, interval without 0); grey with = is "
            "a tie, empty was not compared (no victims or no kind of judge in common)."
        )
        made.append(Made(name, "significance", caption, surface, dataset, recognizer))
    return made


def _of_seeds(rows: pd.DataFrame) -> str:
    seeds = int(rows["n_seeds"].max())
    return f" within each of {seeds} seeds" if seeds > 1 else ""


def _draw(rows: pd.DataFrame, order: list[tuple[str, float]], title: str, about: list[str], path: Path) -> None:
    names = [name for name, _ in order]
    heads = [shorten(name, _NAME) for name in names[1:]]
    side = 0.62 + 0.052 * max(len(shorten(name, _NAME)) for name in names)
    slant = 0.12 + 0.036 * max(map(len, heads))
    lean = 0.045 * max(map(len, heads)) + 0.05
    cell = min(max((2 * COLUMN - side - lean) / len(heads), 0.24), 0.42)
    width = max(side + cell * len(heads) + lean, 2 * COLUMN)
    height = _TITLE + slant + _ROW * (len(names) - 1) + 0.12
    figure = new_figure(width, height)
    area = (side / width, 0.08 / height, cell * len(heads) / width, _ROW * (len(names) - 1) / height)
    axes = figure.add_axes(area)
    axes.set(xlim=(0, len(heads)), ylim=(len(names) - 1, 0))
    place = {name: i for i, name in enumerate(names)}
    for row in rows.to_dict("records"):
        if row["a"] in place and row["b"] in place:
            upper, lower = sorted((place[row["a"]], place[row["b"]]))
            gap = row["difference"] if place[row["a"]] == upper else -row["difference"]
            _cell(axes, lower - 1, upper, gap, row["significant"] == "yes")
    labels = [f"{shorten(name, _NAME)}  {100 * value:.0f}" for name, value in order[:-1]]
    axes.set_yticks([i + 0.5 for i in range(len(labels))], labels)
    axes.set_xticks([i + 0.5 for i in range(len(heads))], heads, rotation=40, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=2, labelcolor=INK)
    for edge in axes.spines.values():
        edge.set_visible(False)
    figure.text(0.1 / width, 1 - 0.14 / height, title, fontsize=9.5, weight="bold", va="center")
    for i, line in enumerate(about):
        figure.text(0.1 / width, 1 - (0.32 + 0.15 * i) / height, line, color=GREY, va="center")
    save(figure, path.parent, path.name, rows)


def _cell(axes: Axes, x: int, y: int, gap: float, proven: bool) -> None:
    face = _COLOURS(min(abs(gap), 1.0)) if proven else _TIE
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="white", lw=1.0))
    colour = ("white" if abs(gap) > 0.4 else INK) if proven else GREY
    text = f"{100 * gap:.0f}" if proven else "="
    axes.text(x + 0.5, y + 0.52, text, ha="center", va="center", fontsize=6, color=colour)
