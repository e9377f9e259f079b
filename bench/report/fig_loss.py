"""Training curves of attacks and defences, one small panel each, so that one that never fell is seen at once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .load import CellFile
from .rows import UNDEFENDED
from .style import COLUMN, GREY, INK, PALETTE, Made, new_figure, save, stem, surface_text

_POINTS = 200  # a curve longer than this is thinned: nobody sees more in a panel of 1.5 inches
_ACROSS = 4
_CUT_SHORT = {"F15", "F17"}
_OF_ATTACKS = (
    "Training loss of every trained attack. Black: on the undefended system; blue: one line per defense and seed. A "
    "curve that is still falling at its right end belongs to an attack that was stopped too early (flag F15, orange)."
)
_OF_DEFENSES = (
    "Training loss of every defense's own network, the server's where it has one; one line per seed. Orange: not "
    "trained out (flag F17), because the loss still falls or the pictures were shown too few times: no verdict."
)


def read_losses(cells: tuple[CellFile, ...], problems: list[str]) -> pd.DataFrame:
    """Every cell's loss.csv, thinned, with the cell's definition beside it."""
    parts = []
    for cell in cells:
        path = cell.path / "loss.csv"
        if not path.is_file():
            continue
        try:
            curve = pd.read_csv(path)[["step", "loss"]].apply(pd.to_numeric, errors="coerce").dropna()
        except (OSError, ValueError, KeyError) as error:
            problems.append(f"cells/{cell.path.name}/loss.csv cannot be read ({error}).")
            continue
        names = ("dataset", "recognizer", "surface", "defense", "attack", "knowledge")
        flags = ",".join(str(flag.get("flag", "")) for flag in cell.flags)
        thin = curve.iloc[:: max(1, math.ceil(len(curve) / _POINTS))]
        about = {"seed": cell.seed, "flags": flags, "cell": cell.path.name}
        parts.append(thin.assign(**{name: cell.text(name) for name in names}, **about))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def draw_losses(losses: pd.DataFrame, folder: Path) -> list[Made]:
    """One figure of attacks per data set, recognizer and surface, and one of the defences' own networks."""
    if losses.empty:
        return []
    made = []
    for key, rows in losses.groupby(["dataset", "recognizer", "surface"]):
        dataset, recognizer, surface = (str(part) for part in key)
        about = f"data {dataset}  ·  recognizer {recognizer}"
        attacks, own = rows[rows["attack"] != ""], rows[rows["attack"] == ""]
        if len(attacks):
            name = stem("loss", dataset, recognizer, surface)
            _draw(attacks, about, f"Training loss of attacks on the {surface_text(surface)}", folder / name)
            made.append(Made(name, "loss", _OF_ATTACKS, surface, dataset, recognizer))
        if len(own):
            name = stem("loss-defenses", dataset, recognizer, surface)
            _draw(own.assign(attack=own["defense"]), about, "Training loss of defenses", folder / name)
            made.append(Made(name, "training", _OF_DEFENSES, surface, dataset, recognizer))
    return made


def _draw(rows: pd.DataFrame, about: str, title: str, path: Path) -> None:
    attacks = sorted(rows["attack"].unique())
    across = min(_ACROSS, len(attacks)) if len(attacks) > 1 else 1
    down = math.ceil(len(attacks) / across)
    width = 2 * COLUMN if across > 2 else COLUMN * max(across, 1.0)
    width = max(width, 2 * COLUMN)
    height = 0.5 + 1.3 * down + 0.3
    figure = new_figure(width, height)
    cell = 0.985 / across
    for index, attack in enumerate(attacks):
        x, y = index % across, index // across
        box = (0.06 + x * cell, 1 - (0.5 + 1.3 * (y + 1) - 0.3) / height, cell - 0.075, 0.86 / height)
        _panel(figure, box, rows[rows["attack"] == attack], attack)
    figure.text(0.012, 1 - 0.14 / height, title, fontsize=9.5, weight="bold", va="center")
    figure.text(0.012, 1 - 0.32 / height, f"x: step  ·  y: loss  ·  {about}", color=GREY, va="center")
    handles = [
        Line2D([], [], color=INK, lw=1.2, label="undefended"),
        Line2D([], [], color=PALETTE[0], lw=0.7, alpha=0.6, label="defended"),
        Line2D([], [], color=PALETTE[1], lw=0.9, label="cut short (F15, F17)"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=3, bbox_to_anchor=(0.5, 0.02 / height), borderaxespad=0)
    save(figure, path.parent, path.name, rows)


def _panel(figure: Figure, box: tuple[float, float, float, float], rows: pd.DataFrame, attack: str) -> None:
    axes = figure.add_axes(box)
    axes.set_title(attack, fontsize=7, pad=3)
    for (defense, _, _), curve in rows.groupby(["defense", "knowledge", "seed"]):
        plain, late = defense == UNDEFENDED, not _CUT_SHORT.isdisjoint(curve["flags"].iloc[0].split(","))
        colour = PALETTE[1] if late else INK if plain else PALETTE[0]
        strength: dict[str, Any] = (
            {"lw": 1.1, "zorder": 3} if plain else {"lw": 0.7, "zorder": 2, "alpha": 1.0 if late else 0.45}
        )
        axes.plot(curve["step"], curve["loss"], color=colour, **strength)
    if (rows["loss"] > 0).all() and rows["loss"].max() > 20 * rows["loss"].min():
        axes.set_yscale("log")
        axes.minorticks_off()
    axes.locator_params(axis="x", nbins=3)
    axes.tick_params(length=2, pad=1.5, labelsize=5.5)
