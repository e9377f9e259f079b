"""Genuine and impostor scores of each defended system, with the threshold they are decided at."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .style import COLUMN, GREY, INK, PALETTE, Made, fmr_text, new_figure, save, shorten, stem
from .verification import Scores, by_system

_BINS, _ACROSS = 50, 4
_GENUINE, _IMPOSTOR = PALETTE[0], PALETTE[1]


def draw_histograms(scores: list[Scores], fmr: float, folder: Path) -> list[Made]:
    """One figure per data set and recogniser, one panel per defence."""
    made = []
    for (dataset, recognizer), parts in by_system(scores):
        name = stem("scores", dataset, recognizer)
        table = pd.concat([histogram(part) for part in parts], ignore_index=True)
        _draw(table, parts, f"data {dataset}  ·  recognizer {recognizer}", fmr, folder / name)
        caption = (
            "Scores of pairs of the victims' photographs by the defended system, as shares of the pairs of their kind. "
            f"The line is the threshold at {fmr_text(fmr)}, set on other people: what lies right of it is accepted."
        )
        made.append(Made(name, "scores", caption, "", dataset, recognizer))
    return made


def histogram(part: Scores) -> pd.DataFrame:
    """Shares per bin of one system: the twin's rows. Failed comparisons (-inf) are in the total and in no bin."""
    both = np.concatenate([part.genuine, part.impostor])
    finite = both[np.isfinite(both)]
    edges = np.histogram_bin_edges(finite, _BINS) if len(finite) else np.linspace(0, 1, _BINS + 1)
    shares = {
        name: np.histogram(values[np.isfinite(values)], edges)[0] / max(1, len(values))
        for name, values in (("genuine", part.genuine), ("impostor", part.impostor))
    }
    who = {"dataset": part.dataset, "recognizer": part.recognizer, "defense": part.defense}
    return pd.DataFrame({"lo": edges[:-1], "hi": edges[1:], **shares}).assign(**who, threshold=part.threshold)


def _draw(table: pd.DataFrame, parts: list[Scores], about: str, fmr: float, path: Path) -> None:
    across = min(_ACROSS, max(2, len(parts)))
    down = math.ceil(len(parts) / across)
    height = 0.5 + 1.25 * down + 0.3
    figure = new_figure(2 * COLUMN, height)
    wide = 0.985 / across
    for index, part in enumerate(parts):
        x, y = index % across, index // across
        box = (0.015 + x * wide, 1 - (0.5 + 1.25 * (y + 1) - 0.32) / height, wide - 0.03, 0.78 / height)
        _panel(figure, box, table[table["defense"] == part.defense], part)
    figure.text(0.012, 1 - 0.14 / height, "Scores of genuine and impostor pairs", fontsize=9.5, weight="bold",
                va="center")  # fmt: skip
    figure.text(0.012, 1 - 0.32 / height, f"x: score  ·  y: share of pairs  ·  {about}", color=GREY, va="center")
    handles = [
        Patch(color=_GENUINE, alpha=0.55, label="one person"),
        Patch(color=_IMPOSTOR, alpha=0.55, label="two persons"),
        Line2D([], [], color=INK, lw=0.9, label=f"threshold at {fmr_text(fmr)}"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=3, bbox_to_anchor=(0.5, 0.02 / height), borderaxespad=0)
    save(figure, path.parent, path.name, table)


def _panel(figure: Figure, box: tuple[float, float, float, float], rows: pd.DataFrame, part: Scores) -> None:
    axes = figure.add_axes(box)
    axes.set_title(shorten(part.defense, 26), fontsize=7, pad=3)
    edges = [*rows["lo"], rows["hi"].iloc[-1]]
    # Besides its colour each kind has its own outline, so that neither is needed alone.
    for name, colour, dash in (("impostor", _IMPOSTOR, "--"), ("genuine", _GENUINE, "-")):
        axes.stairs(rows[name], edges, fill=True, color=colour, alpha=0.4, lw=0)
        axes.stairs(rows[name], edges, color=colour, lw=0.9, ls=dash)
    if math.isfinite(part.threshold):
        axes.axvline(part.threshold, color=INK, lw=0.9)
    axes.set(yticks=[], ylim=(0, None))
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(length=2, pad=1.5, labelsize=5.5)
    axes.spines["left"].set_visible(False)
