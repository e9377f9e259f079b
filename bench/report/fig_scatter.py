"""Privacy against utility: one mark per defense, with error bars both ways, the Pareto line and the anchors."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .board_defenses import reach, utility_axis
from .rows import UNDEFENDED
from .style import (
    COLUMN,
    GREY,
    INK,
    Made,
    error_lengths,
    fmr_text,
    groups_of,
    look,
    new_figure,
    save,
    stem,
    surface_text,
)

_ANCHORS = {"other-photo": (0, (4, 2)), "random-public-face": (0, (1, 2))}


def draw_scatters(defenses: pd.DataFrame, attacks: pd.DataFrame, fmr: float, folder: Path) -> list[Made]:
    """One scatter per data set, recognizer and surface.

    Args:
        defenses: the defense board.
        attacks: the attack board, for the anchor lines.
        fmr: the headline false match rate.
        folder: where the files go.
    """
    made = []
    for (dataset, recognizer, surface), rows in groups_of(defenses):
        x = utility_axis(rows)
        every = rows.join(reach(rows))
        points = every[every["reach"].notna() & every[x].notna()]
        if points.empty:
            continue
        mask = (attacks["dataset"] == dataset) & (attacks["recognizer"] == recognizer) & (attacks["surface"] == surface)
        anchors = attacks[mask & attacks["attack"].isin(list(_ANCHORS)) & attacks["sar2"].notna()]
        name = stem("scatter", dataset, recognizer, surface)
        _draw(points, anchors, x, fmr, (dataset, recognizer, surface), folder / name)
        caption = (
            f"Every defense of the {surface_text(surface)}: further right it still recognizes people, further up less "
            "leaks to the strongest attack, be it by a picture or by naming the person without one. Bars are 95 % "
            "intervals; the stepped line joins the defenses with the best numbers on both axes, which may be ties."
        )
        made.append(Made(name, "scatter", caption, surface, dataset, recognizer))
    return made


def _draw(
    points: pd.DataFrame, anchors: pd.DataFrame, x: str, fmr: float, group: tuple[str, str, str], path: Path
) -> None:
    n_entries = len(points) + len(anchors) + 1
    figure = new_figure(2 * COLUMN, max(3.0, 0.55 + 0.165 * n_entries))
    axes = figure.add_axes((0.085, 0.4 / figure.get_figheight(), 0.58, 1 - 0.95 / figure.get_figheight()))
    for _, row in anchors.drop_duplicates("attack").iterrows():
        label = f"{row['attack']} instead of an attack"
        axes.axhline(1 - row["sar2"], color=GREY, lw=0.8, ls=_ANCHORS[row["attack"]], label=label, zorder=1)
    _pareto(axes, points, x)
    ordered = points.assign(_first=points["defense"] != UNDEFENDED).sort_values(["_first", "reach", "defense"])
    for index, (_, row) in enumerate(ordered.iterrows()):
        _point(axes, row, x, index - 1)
    axes.set_ylim(-0.03, 1.03)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(color="#eeeeee", lw=0.5)
    axes.set_axisbelow(True)
    utility = f"true accept rate at {fmr_text(fmr)}" if x == "tar" else "verification accuracy"
    axes.set_xlabel(f"utility: {utility}   (right is better)")
    axes.set_ylabel("privacy: neither drawn nor named (1 − SAR-II)")
    top = 1 - 0.14 / figure.get_figheight()
    figure.text(
        0.012,
        top,
        f"What protects the {surface_text(group[2])}, and what it costs",
        fontsize=9.5,
        weight="bold",
        va="center",
    )
    about = f"data {group[0]}  ·  recognizer {group[1]}  ·  strongest attack per defense"
    figure.text(0.012, top - 0.19 / figure.get_figheight(), about, color=GREY, va="center")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.02), borderaxespad=0, handlelength=2.2, labelspacing=0.55)
    columns = ["dataset", "recognizer", "surface", "defense", x, f"{x}_lo", f"{x}_hi", "worst_attack", "judge"]
    twin = points[
        [*columns, "sar2", "identity_attack", "identity_sar2", "reach", "reach_lo", "reach_hi", "pareto", "matched"]
    ]
    save(figure, path.parent, path.name, twin)


def _point(axes: Axes, row: pd.Series, x: str, index: int) -> None:
    plain = row["defense"] == UNDEFENDED
    colour, marker = (INK, "*") if plain else look(index)
    across = error_lengths(row[x], row[f"{x}_lo"], row[f"{x}_hi"])
    below, above = error_lengths(row["reach"], row["reach_lo"], row["reach_hi"])
    axes.errorbar(
        row[x], 1 - row["reach"], xerr=[[across[0]], [across[1]]], yerr=[[above], [below]], fmt=marker, color=colour,
        ms=9 if plain else 5, mec="white", mew=0.5, elinewidth=0.7, capsize=0, zorder=4,
    )  # fmt: skip
    # A mark of its own for the legend: the error bars would hide the shape there.
    label = "none (undefended)" if plain else row["defense"]
    axes.plot([], [], marker, color=colour, ms=8 if plain else 5, mec="white", mew=0.5, label=label)


def _pareto(axes: Axes, points: pd.DataFrame, x: str) -> None:
    best = points[points["pareto"] == "yes"].sort_values(x)
    if len(best) > 1:
        # At a wanted utility the best choice is the next defense to the right, hence steps before the points.
        axes.step(
            best[x], 1 - best["reach"], where="pre", color=GREY, lw=0.8, zorder=2, label="best numbers on both axes"
        )
