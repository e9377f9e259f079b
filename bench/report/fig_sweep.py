"""Strength sweep: what a defense costs and what still leaks as one of its settings grows.

A defense is fairly judged along its whole curve, against who ignores it and against who trained for it: a curve that is
low only for the first is protection from yesterday's attackers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from .load import RunFolder
from .rows import UNDEFENDED, View, view_of
from .seeds import spread
from .strongest import strongest
from .style import (
    COLUMN,
    GREY,
    INK,
    PALETTE,
    Made,
    error_lengths,
    fmr_text,
    new_figure,
    save,
    stem,
    surface_text,
)

_LEVELS = {"oblivious": frozenset({"K0"}), "adaptive": frozenset({"K1", "K2", "K3"})}
_LINES = {
    "oblivious": (PALETTE[0], "o", "ignores the defense (K0)"),
    "adaptive": (PALETTE[1], "s", "trained for it (K1 up)"),
}
_COLUMNS = (
    "dataset", "recognizer", "surface", "plugin", "setting", "value", "defense", "attacker", "accuracy", "accuracy_lo",
    "accuracy_hi", "attack", "judge", "chosen_on", "sar2", "sar2_lo", "sar2_hi", "n_seeds",
)  # fmt: skip


@dataclass(frozen=True)
class Sweep:
    """Track entries of one plug-in that differ in one number only.

    Args:
        plugin: its registered name.
        setting: which number.
        points: (value, what rows call the entry), by value.
    """

    plugin: str
    setting: str
    points: tuple[tuple[float, str], ...]


def find_sweeps(entries: Sequence[Mapping[str, Any]]) -> list[Sweep]:
    """The sweeps among a track's defenses; an entry that leaves the number at its default cannot be placed."""
    groups: dict[tuple[str, str, str], dict[float, str]] = {}
    for entry in entries:
        name, settings = entry.get("name"), entry.get("settings") or {}
        if not isinstance(name, str) or not isinstance(settings, Mapping):
            continue
        for key, value in settings.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            rest = json.dumps({k: v for k, v in settings.items() if k != key}, sort_keys=True, default=str)
            groups.setdefault((name, str(key), rest), {})[float(value)] = str(entry.get("label") or name)
    found = [Sweep(name, key, tuple(sorted(points.items()))) for (name, key, _), points in groups.items()]
    return sorted((s for s in found if len(s.points) > 1), key=lambda s: (s.plugin, s.setting, s.points))


def draw_sweeps(run: RunFolder, folder: Path) -> list[Made]:
    """One figure per sweep, data set, recognizer and surface.

    Args:
        run: the run folder: its rows, and the track's entries in run.json.
        folder: where the files go.
    """
    resolved = run.run.get("resolved")
    entries = resolved.get("defenses") if isinstance(resolved, Mapping) else None
    sweeps = find_sweeps([e for e in entries if isinstance(e, Mapping)] if isinstance(entries, list) else [])
    if not sweeps or not len(run.results):
        return []
    view = view_of(run)
    places = sorted({(who.dataset, who.recognizer, who.surface) for who in view.cells})
    made = []
    for number, sweep in enumerate(sweeps):
        for place in places:
            table = sweep_table(view, sweep, place)
            defended = table[table["defense"] != UNDEFENDED].dropna(subset="sar2")
            if defended["value"].nunique() < 2:
                continue
            same = [s for s in sweeps if (s.plugin, s.setting) == (sweep.plugin, sweep.setting)]
            part = str(number) if len(same) > 1 else ""  # other settings differ too: a curve of its own
            name = stem("sweep", *place, sweep.plugin, sweep.setting, part)
            _draw(table, sweep, place, run.headline_fmr, folder / name)
            made.append(Made(name, "sweep", _caption(sweep, place[2]), place[2], place[0], place[1]))
    return made


def sweep_table(view: View, sweep: Sweep, place: tuple[str, str, str]) -> pd.DataFrame:
    """One row per value and attacker; the undefended system has no value and one attacker."""
    dataset, recognizer, surface = place
    rows = []
    for value, defense in ((math.nan, UNDEFENDED), *sweep.points):
        accuracy = view.use((dataset, recognizer, defense), "accuracy")
        here = [w for w in view.cells if w[:4] == (dataset, recognizer, defense, surface) and view.role(w) != "ceiling"]
        levels = _LEVELS if defense != UNDEFENDED else {"any": _LEVELS["oblivious"] | _LEVELS["adaptive"]}
        for attacker, knows in levels.items():
            choice = strongest(view, [who for who in here if who.knowledge in knows])
            reach = view.get(choice.who, "sar_type2", choice.judge) if choice else None
            row = dict(zip(_COLUMNS, (*place, sweep.plugin, sweep.setting, value, defense, attacker)))
            row |= spread("accuracy", accuracy) | spread("sar2", reach)
            row |= {"attack": choice.who.label if choice else "", "judge": choice.judge if choice else ""}
            row |= {"chosen_on": choice.chosen_on if choice else "", "n_seeds": reach.n_seeds if reach else 0}
            rows.append(row)
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _caption(sweep: Sweep, surface: str) -> str:
    return (
        f"{sweep.plugin} at several values of {sweep.setting}, protecting the {surface_text(surface)}. Left: how well "
        "people are still verified. Right: the strongest attack that ignores the defense, and the strongest that was "
        "trained for it; the gap between the two is what only a naive attacker misses. Bars are 95 % intervals, the "
        "dashed lines the unprotected system."
    )


def _draw(table: pd.DataFrame, sweep: Sweep, place: tuple[str, str, str], fmr: float, path: Path) -> None:
    height = 2.65
    figure = new_figure(2 * COLUMN, height)
    left, right = (figure.add_axes((x, 0.62 / height, 0.385, 1 - 1.1 / height)) for x in (0.1, 0.595))
    points, plain = table[table["defense"] != UNDEFENDED], table[table["defense"] == UNDEFENDED]
    _line(left, points[points["attacker"] == "oblivious"], "accuracy", INK, "D", "verification accuracy")
    for attacker, (colour, marker, label) in _LINES.items():
        _line(right, points[points["attacker"] == attacker].dropna(subset="sar2"), "sar2", colour, marker, label)
    for axes, column in ((left, "accuracy"), (right, "sar2")):
        reference = plain[column].dropna()
        if len(reference):
            axes.axhline(reference.iloc[0], color=GREY, lw=0.9, ls=(0, (4, 2)), label="unprotected", zorder=1)
        _axis(axes, sweep)
    right.axhline(fmr, color=GREY, lw=0.8, ls=(0, (1, 2)), label="chance", zorder=1)
    right.set_ylim(bottom=min(0.0, right.get_ylim()[0]))
    left.set_ylabel("verification accuracy")
    right.set_ylabel(f"SAR Type-II at {fmr_text(fmr)}")
    handles, labels = right.get_legend_handles_labels()
    place_at = (0.5, 0.02 / height)
    figure.legend(handles, labels, loc="lower center", bbox_to_anchor=place_at, ncols=4, borderaxespad=0)
    title = f"{sweep.plugin}: what more {sweep.setting} costs and what it protects"
    figure.text(0.012, 1 - 0.14 / height, title, fontsize=9.5, weight="bold", va="center")
    about = f"data {place[0]}  ·  recognizer {place[1]}  ·  {surface_text(place[2])}"
    figure.text(0.012, 1 - 0.32 / height, about, color=GREY, va="center")
    save(figure, path.parent, path.name, table)


def _line(axes: Axes, rows: pd.DataFrame, column: str, colour: str, marker: str, label: str) -> None:
    if rows.empty:
        return
    bars = [error_lengths(*numbers) for numbers in zip(rows[column], rows[f"{column}_lo"], rows[f"{column}_hi"])]
    axes.errorbar(
        rows["value"], rows[column], yerr=list(zip(*bars)), fmt=f"{marker}-", color=colour, ms=4.5, mec="white",
        mew=0.5, lw=1.1, elinewidth=0.7, capsize=0, label=label, zorder=3,
    )  # fmt: skip


def _axis(axes: Axes, sweep: Sweep) -> None:
    values = [value for value, _ in sweep.points]
    if min(values) > 0 and max(values) >= 8 * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.set_xlabel(sweep.setting)
    axes.grid(color="#eeeeee", lw=0.5)
    axes.set_axisbelow(True)
