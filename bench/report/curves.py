"""A curve for each attack, with intervals, on a log axis: success against a budget, or against the gallery."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from .style import COLUMN, GREY, error_lengths, look, new_figure, save, surface_text

_APART = 0.12  # share of the axis between two numbers
_DOTTED: dict[str, Any] = {"color": GREY, "lw": 0.8, "ls": (0, (1, 2)), "label": "chance", "zorder": 1}


def draw_curves(
    rows: pd.DataFrame, who: str, axis: str, value: str, *, chance: float | pd.Series, title: str,
    labels: tuple[str, str], place: Sequence[str], path: Path,
) -> None:  # fmt: skip
    """Write one figure and its twin.

    Args:
        rows: columns ``who`` and ``knowledge``, ``axis`` (positive), and ``value`` with its ``_lo`` and ``_hi``.
        who: column that names a curve, together with the knowledge.
        axis: column of the horizontal axis.
        value: column of the vertical one, a fraction.
        chance: what guessing reaches: everywhere the same, or by place on the axis, ascending.
        title: of the figure.
        labels: of the axes.
        place: data set, recogniser, surface and defence.
        path: of the files, without an ending.
    """
    height = 2.5
    figure = new_figure(1.5 * COLUMN, height)
    axes = figure.add_axes((0.12, 0.42 / height, 0.55, 1 - 0.9 / height))
    for number, ((name, knowledge), points) in enumerate(rows.groupby([who, "knowledge"])):
        colour, marker = look(number)
        bars = [error_lengths(*one) for one in zip(points[value], points[f"{value}_lo"], points[f"{value}_hi"])]
        axes.errorbar(
            points[axis], points[value], yerr=list(zip(*bars)), fmt=f"{marker}-", color=colour, ms=4.5,
            mec="white", mew=0.5, lw=1.1, elinewidth=0.7, capsize=0, label=f"{name} ({knowledge})", zorder=3,
        )  # fmt: skip
    if isinstance(chance, pd.Series):
        axes.plot(chance.index, chance, **_DOTTED)
    else:
        axes.axhline(chance, **_DOTTED)
    _dress(axes, spaced(sorted(set(rows[axis]))), labels)
    figure.text(0.012, 1 - 0.14 / height, title, fontsize=9.5, weight="bold", va="center")
    about = f"data {place[0]}  ·  recognizer {place[1]}  ·  {surface_text(place[2])}  ·  defense {place[3]}"
    figure.text(0.012, 1 - 0.32 / height, about, color=GREY, va="center")
    save(figure, path.parent, path.name, rows)


def _dress(axes: Axes, ticks: Sequence[float], labels: tuple[str, str]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(color="#eeeeee", lw=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)


def spaced(ticks: Sequence[float]) -> list[float]:
    """Those of the ascending positive ``ticks`` that are far enough apart on a log axis for their numbers."""
    least = _APART * math.log(ticks[-1] / ticks[0])
    kept = [ticks[0]]
    for tick in ticks[1:]:
        if math.log(tick / kept[-1]) >= least:
            kept.append(tick)
    return kept
