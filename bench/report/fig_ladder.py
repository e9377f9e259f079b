"""The ladder: what every attack gets back from the undefended system, between floors and ceilings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Transform, blended_transform_factory

from .rows import own_space
from .style import (
    COLUMN,
    GREY,
    INK,
    PALE,
    ROLE_COLOUR,
    Made,
    error_lengths,
    fmr_text,
    groups_of,
    new_figure,
    percent,
    save,
    shorten,
    stem,
    surface_text,
)  # fmt: skip

_WIDTH = 2 * COLUMN
_NAME = 32  # letters
_RIGHT = 0.855  # end of the scale, in figure widths
_ROW = 0.17  # inches per row
_HEADINGS = {
    "ceiling": "Ceilings: a real photo of the victim",
    "attack": "Attacks",
    "floor": "Floors: what simple guesses reach",
}
_MARKER = {"ceiling": "^", "attack": "o", "floor": "s"}


def draw_ladders(attacks: pd.DataFrame, fmr: float, folder: Path) -> list[Made]:
    """One ladder per data set, recognizer and surface.

    Args:
        attacks: the attack board.
        fmr: the headline false match rate.
        folder: where the files go.
    """
    made = []
    for (dataset, recognizer, surface), rows in groups_of(attacks[attacks["sar2"].notna()]):
        shown = _distinct(rows)
        name = stem("ladder", dataset, recognizer, surface)
        _draw(shown, dataset, recognizer, surface, fmr, folder, name)
        made.append(Made(name, "ladder", _caption(surface, fmr), surface, dataset, recognizer))
    return made


def _caption(surface: str, fmr: float) -> str:
    return (
        f"What each attack gets back from the {surface_text(surface)} when nothing protects it. A mark further right "
        f"means that "
        "more victims are recognized. Filled mark and line: an independent recognizer decides, with the 95 % interval; "
        f"open ring: the attacked recognizer itself decides. Both accept a stranger with probability {100 * fmr:g} % "
        f"(dotted line)."
    )


def _distinct(rows: pd.DataFrame) -> pd.DataFrame:
    """Without a defense there is nothing to know about it: one row per attack unless the numbers differ."""
    unique = rows.drop_duplicates(["attack", "sar2", "target_sar2"])
    repeated = unique["attack"].duplicated(keep=False)
    label = unique["attack"].map(lambda name: shorten(name, _NAME))
    label = label.where(~repeated, label + " (" + unique["knowledge"] + ")")
    label = label.where(~unique["judge"].map(own_space), label + " †")
    return unique.assign(label=label)


def _layout(rows: pd.DataFrame) -> list[tuple[float, str, Any]]:
    """(y, kind, row or heading) from top to bottom; y grows downwards."""
    placed: list[tuple[float, str, Any]] = []
    y = 0.0
    for role, heading in _HEADINGS.items():
        members = rows[rows["role"] == role].sort_values(["sar2", "label"], ascending=[False, True])
        if members.empty:
            continue
        y += 0.35 if placed else 0.0
        placed.append((y, "heading", (role, heading)))
        y += 1.0
        for _, row in members.iterrows():
            placed.append((y, "row", row))
            y += 1.0
    return placed


def _draw(rows: pd.DataFrame, dataset: str, recognizer: str, surface: str, fmr: float, folder: Path, name: str) -> None:
    placed = _layout(rows)
    bottom = placed[-1][0] + 0.7
    head, foot = 0.56, 0.58  # inches
    height = head + foot + (bottom + 0.7) * _ROW
    figure = new_figure(_WIDTH, height)
    left = min(0.055 + 0.0088 * rows["label"].map(len).max(), 0.37)
    axes = figure.add_axes((left, foot / height, _RIGHT - left, 1 - (head + foot) / height))
    axes.set(xlim=(-0.015, 1.015), ylim=(bottom, -0.7), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.vlines((0.25, 0.5, 0.75, 1.0), -0.7, bottom, color=PALE, lw=0.5, zorder=0)
    axes.axvline(fmr, color=GREY, lw=0.8, ls=(0, (1, 2)), zorder=1)
    names = blended_transform_factory(figure.transFigure, axes.transData)
    for y, kind, item in placed:
        if kind == "heading":
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
            axes.text(
                0.012, y, item[1], transform=names, va="center", color=ROLE_COLOUR[item[0]], weight="bold", bbox=box
            )
        else:
            axes.text(0.03, y, item["label"], transform=names, va="center")
            _mark(axes, names, y, item)
    _axis(axes, fmr)
    judges = sorted({judge for judge in rows["judge"] if judge != recognizer and not own_space(judge)})
    figure.text(0.012, 1 - 0.15 / height, _title(surface), fontsize=9.5, weight="bold", va="center")
    about = f"data {dataset}  ·  recognizer {recognizer}  ·  independent judge {', '.join(judges) or 'none'}"
    about += "  ·  † scored in the attacker's own space" if rows["judge"].map(own_space).any() else ""
    figure.text(0.012, 1 - 0.34 / height, about, color=GREY, va="center")
    _legend(figure, rows, recognizer, height)
    save(figure, folder, name, rows)


def _title(surface: str) -> str:
    return f"How much of a face comes back from the unprotected {surface_text(surface)}?"


def _mark(axes: Axes, names: Transform, y: float, row: pd.Series) -> None:
    """One attack: interval and filled mark by the deciding judge, open ring by the attacked recognizer, the number."""
    colour = ROLE_COLOUR[row["role"]]
    own = row["judge"] == row["recognizer"]
    axes.hlines(y, 0, 1, color="#f0f0f0", lw=0.6, zorder=0)
    if not math.isnan(row["target_sar2"]):
        axes.plot(row["target_sar2"], y, "o", ms=5, mfc="none", mec=GREY, mew=0.7, zorder=2, clip_on=False)
    if not own:
        below, above = error_lengths(row["sar2"], row["sar2_lo"], row["sar2_hi"])
        axes.hlines(y, row["sar2"] - below, row["sar2"] + above, color=colour, lw=1.6, zorder=3)
        axes.plot(
            row["sar2"], y, _MARKER[row["role"]], ms=4.2, color=colour, mec="white", mew=0.4, zorder=4, clip_on=False
        )
    axes.text(
        _RIGHT + 0.058, y, percent(row["sar2"]), transform=names, ha="right", va="center", color=INK, weight="bold"
    )
    if not math.isnan(row["sar2_lo"]):
        text = f"{100 * row['sar2_lo']:.0f} to {100 * row['sar2_hi']:.0f}"
        axes.text(_RIGHT + 0.068, y, text, transform=names, va="center", color=GREY, fontsize=6)


def _axis(axes: Axes, fmr: float) -> None:
    axes.set_xticks((0, 0.25, 0.5, 0.75, 1.0), ("0", "25", "50", "75", "100 %"))
    axes.tick_params(axis="x", length=2, pad=2)
    axes.set_xlabel(
        f"victims whose reconstruction passes for another photo of them (SAR Type-II at {fmr_text(fmr)})", labelpad=3
    )


def _legend(figure: Figure, rows: pd.DataFrame, recognizer: str, height: float) -> None:
    handles = [Line2D([], [], color=GREY, lw=0.8, ls=(0, (1, 2)), label="chance")]
    if (rows["judge"] != recognizer).any():
        mark = Line2D([], [], marker="o", color=ROLE_COLOUR["attack"], lw=1.6, ms=4.2, mec="white", mew=0.4)
        mark.set_label("independent judge, 95 % interval" if rows["sar2_lo"].notna().any() else "independent judge")
        handles.insert(0, mark)
    if rows["target_sar2"].notna().any():
        ring = Line2D([], [], ls="", marker="o", ms=5, mfc="none", mec=GREY, mew=0.7, label="attacked recognizer")
        handles.insert(-1, ring)
    place = (0.5, 0.02 / height)
    figure.legend(
        handles=handles, loc="lower center", bbox_to_anchor=place, ncols=3, handletextpad=0.5, borderaxespad=0
    )
