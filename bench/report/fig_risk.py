"""How many times as often as without a reason the strongest attack finds somebody, beside the "factor of four"."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, NullLocator

from ..record.words import FACTOR_OF_FOUR, RANKS
from .style import COLUMN, GREY, Made, error_lengths, groups_of, look, new_figure, save, shorten, stem, surface_text

_NAME = 22  # letters of a defence's name
_TOP = 1e4  # ratios beyond it are drawn at its place


def draw_risks(board: pd.DataFrame, folder: Path) -> list[Made]:
    """One figure per data set, recognizer and surface, of the strongest attack on each defence.

    Args:
        board: as ``risk_board`` gives it.
        folder: where the files go.
    """
    made = []
    for key, rows in groups_of(board[(board["strongest"] == "yes") & board["risk_ratio"].notna()]):
        dataset, recognizer, surface = key
        name = stem("risk", dataset, recognizer, surface)
        _draw(rows, key, folder / name)
        caption = (
            f"Tapped at the {surface_text(surface)}: how many times as often the strongest attack puts its victim "
            "among the first of a gallery as the recoveries of all other victims do. The dashed line is the factor of "
            "four that arXiv 2202.05760 states as the worst case; left of the dotted line nothing is gained. An arrow "
            "stands where no other recovery finds anybody: the ratio is infinite, its bar starts at the lower end. "
            "Bars are 95 % intervals over identities."
        )
        made.append(Made(name, "risk", caption, surface, dataset, recognizer))
    return made


def _draw(rows: pd.DataFrame, key: tuple[str, str, str], path: Path) -> None:
    defenses = list(dict.fromkeys(rows["defense"]))
    height = 1.15 + 0.3 * len(defenses)
    figure = new_figure(1.5 * COLUMN, height)
    axes = figure.add_axes((0.3, 0.42 / height, 0.52, 1 - 0.92 / height))
    for number, depth in enumerate(RANKS):
        points = rows[rows["depth"] == depth]
        if points.empty:
            continue
        colour, marker = look(number)
        shift = 0.18 * (number - (len(RANKS) - 1) / 2)
        at = np.array([defenses.index(name) + shift for name in points["defense"]])
        infinite = ~np.isfinite(points["risk_ratio"].to_numpy(float))
        values = points["risk_ratio"].clip(upper=_TOP).to_numpy(float)
        bars = [
            error_lengths(*one)
            for one in zip(values, points["risk_ratio_lo"], points["risk_ratio_hi"].clip(upper=_TOP))
        ]
        for which, shape in ((~infinite, marker), (infinite, ">")):
            axes.errorbar(
                values[which], at[which], xerr=np.array(bars)[which].T, fmt=shape, color=colour, ms=4, mec="white",
                mew=0.4, elinewidth=0.7, capsize=0, zorder=3, label=f"rank {depth}" if shape == marker else None,
            )  # fmt: skip
    axes.axvline(FACTOR_OF_FOUR, color=GREY, lw=0.8, ls="--", zorder=1)
    axes.axvline(1, color=GREY, lw=0.8, ls=(0, (1, 2)), zorder=1)
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(left=0)
    axes.xaxis.set_minor_locator(NullLocator())
    most = max(10.0, float(rows["risk_ratio_hi"].replace(math.inf, _TOP).clip(upper=_TOP).max()))
    ticks = [tick for tick in (0, 1, FACTOR_OF_FOUR, 10, 100, 1000, _TOP) if tick <= most]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_yticks(range(len(defenses)), [shorten(name, _NAME) for name in defenses])
    axes.set_ylim(len(defenses) - 0.5, -0.5)
    axes.set_xlabel("times the recoveries of others")
    axes.grid(axis="x", color="#eeeeee", lw=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
    figure.text(
        0.012,
        1 - 0.14 / height,
        "Found, in multiples of a randomised baseline",
        fontsize=9.5,
        weight="bold",
        va="center",
    )
    about = f"data {key[0]}  ·  recognizer {key[1]}  ·  {surface_text(key[2])}"
    figure.text(0.012, 1 - 0.32 / height, about, color=GREY, va="center")
    save(figure, path.parent, path.name, rows)
