"""How well each defended system still tells people apart: ROC and DET over all thresholds, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import norm

from ..metrics.verification import roc
from .rows import UNDEFENDED
from .style import COLUMN, GREY, INK, PALE, Made, look, new_figure, save, shorten, stem
from .verification import Scores, by_system

_POINTS = 200  # per curve
_ERRORS = 30  # fewer false accepts, or false rejects, do not support a rate
_DASHES = ("-", "--", ":", "-.")
_TICKS = (0.001, 0.01, 0.05, 0.2, 0.4)


def draw_rocs(scores: list[Scores], folder: Path) -> list[Made]:
    """One figure per data set and recogniser, one line per defence."""
    made = []
    for (dataset, recognizer), parts in by_system(scores):
        name = stem("roc", dataset, recognizer)
        table = pd.concat([curve(part) for part in parts], ignore_index=True)
        _draw(table, parts, f"data {dataset}  ·  recognizer {recognizer}", folder / name)
        caption = (
            "Verification by the defended system at every threshold, on the victims' photographs. Left, ROC: genuine "
            "attempts accepted. Right, DET: false rejects against false accepts, both on a normal-deviate scale; "
            f"lower is better. In the grey part fewer than {_ERRORS} impostor pairs are accepted: what the curves do "
            "there is not resolved."
        )
        made.append(Made(name, "roc", caption, "", dataset, recognizer))
    return made


def curve(part: Scores) -> pd.DataFrame:
    """Operating points of one system: the twin's rows."""
    found = roc(part.genuine, part.impostor, _POINTS)
    shares = {"fmr": found.fmr, "tar": found.tar, "fnmr": 1 - found.tar, "threshold": found.thresholds}
    who = {"dataset": part.dataset, "recognizer": part.recognizer, "defense": part.defense}
    return pd.DataFrame(shares).assign(**who, n_genuine=len(part.genuine), n_impostor=len(part.impostor))


def _draw(table: pd.DataFrame, parts: list[Scores], about: str, path: Path) -> None:
    lines = -(-len(parts) // 4)
    height = 3.1 + 0.14 * lines
    figure = new_figure(2 * COLUMN, height)
    below = (0.52 + 0.14 * lines) / height
    tall = 1 - below - 0.5 / height
    left, right = (figure.add_axes((x, below, 0.41, tall)) for x in (0.075, 0.575))
    impostors = min(len(part.impostor) for part in parts)
    handles = []
    for index, part in enumerate(parts):
        rows = table[(table["defense"] == part.defense) & (table["fmr"] > 0)]
        plain = part.defense == UNDEFENDED
        colour = INK if plain else look(index - 1)[0]
        dash = "-" if plain else _DASHES[index % len(_DASHES)]
        line: dict[str, Any] = {"color": colour, "ls": dash, "lw": 1.6 if plain else 1.1}
        handles += left.plot(rows["fmr"], rows["tar"], label=shorten(part.defense, 24), **line)
        both = rows[(rows["fnmr"] > 0) & (rows["fmr"] < 1)]
        right.plot(norm.ppf(both["fmr"]), norm.ppf(both["fnmr"]), **line)
    _roc_axes(left, impostors)
    _det_axes(right, impostors, len(parts[0].genuine))
    figure.text(0.012, 1 - 0.14 / height, "What is left of recognition", fontsize=9.5, weight="bold", va="center")
    figure.text(0.012, 1 - 0.32 / height, about, color=GREY, va="center")
    figure.legend(handles=handles, loc="lower center", ncols=4, bbox_to_anchor=(0.5, 0.02 / height), borderaxespad=0)
    save(figure, path.parent, path.name, table)


def _roc_axes(axes: Axes, impostors: int) -> None:
    axes.set(xscale="log", xlim=(1 / impostors, 1), ylim=(0, 1.01))
    axes.set(xlabel="false match rate", ylabel="true accept rate")
    axes.axvspan(1 / impostors, min(_ERRORS / impostors, 1), color=PALE, alpha=0.5, lw=0)
    axes.plot(*2 * [np.geomspace(1 / impostors, 1, 50)], color=GREY, lw=0.6, ls=":")  # guessing


def _det_axes(axes: Axes, impostors: int, genuine: int) -> None:
    low = max(min(1 / impostors, 1 / genuine), 1e-4)
    ends = norm.ppf(low), norm.ppf(0.6)
    ticks = [tick for tick in _TICKS if tick >= low]
    axes.set(xlim=ends, ylim=ends, xlabel="false match rate", ylabel="false non-match rate")
    labels = [f"{100 * tick:g} %" for tick in ticks]
    axes.set_xticks(norm.ppf(ticks), labels)
    axes.set_yticks(norm.ppf(ticks), labels)
    axes.axvspan(ends[0], norm.ppf(min(_ERRORS / impostors, 0.6)), color=PALE, alpha=0.5, lw=0)
    axes.plot(ends, ends, color=GREY, lw=0.6, ls=":")  # where the two errors are equal
