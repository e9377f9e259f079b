"""Success against budget: what an attack reaches as it may ask, or learn from, more.

A defence that holds against 256 pairs may fall to 4,000, and an attack that needs 7,300 questions about a victim is
another threat than one that needs 99: a single number hides both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.ticker import FuncFormatter, NullLocator

from .load import RunFolder
from .rows import UNDEFENDED, View, prepare
from .seeds import spread
from .style import COLUMN, GREY, Made, error_lengths, fmr_text, look, new_figure, save, stem, surface_text

_APART = 0.12  # share of the axis between two numbers
_AXES = {
    "queries": "questions asked about one victim",
    "pairs": "public pictures whose leak the attacker has",
}
_PLACE = ["dataset", "recognizer", "surface", "defense", "axis"]
_COLUMNS = (*_PLACE, "plugin", "knowledge", "budget", "attack", "judge", "sar2", "sar2_lo", "sar2_hi")


def draw_budgets(run: RunFolder, folder: Path) -> list[Made]:
    """One figure per data set, recognizer, surface, defense and kind of budget that some attack was given twice.

    Args:
        run: the run folder: its rows, and the track's entries in run.json.
        folder: where the files go.
    """
    if not len(run.results):
        return []
    made = []
    table = budget_table(prepare(run.results, run.headline_fmr, run.roles, shared=run.shared_people), _plugins(run.run))
    for place, rows in table.groupby(_PLACE):
        dataset, recognizer, surface, defense, axis = (str(part) for part in place)
        name = stem(f"success-vs-{axis}", dataset, recognizer, surface, defense)
        _draw(rows, (dataset, recognizer, surface, defense), axis, run.headline_fmr, folder / name)
        against = "the unprotected system" if defense == UNDEFENDED else defense
        caption = (
            f"What attacks on the {surface_text(surface)} of {against} reach as their budget grows: {_AXES[axis]}. "
            "Bars are 95 % intervals over identities; the dotted line is chance."
        )
        made.append(Made(name, "budget", caption, surface, dataset, recognizer))
    return made


def budget_table(view: View, plugins: Mapping[str, str]) -> pd.DataFrame:
    """One row per point of a curve; attacks that were given one budget only have no curve.

    Args:
        view: the results.
        plugins: what rows call an attack -> its plug-in.
    """
    rows: list[dict[str, Any]] = []
    for who, cells in view.cells.items():
        title = who.attack.split(" [")[0]
        judge = view.judge_of(who)
        reach = view.get(who, "sar_type2", judge)
        if view.role(who) != "attack" or reach is None:
            continue
        asked = view.get(who, "queries_per_victim")
        for axis, budget in (("queries", asked.value if asked else math.nan), ("pairs", cells.n_aux)):
            if not budget > 0:
                continue
            row = {"dataset": who.dataset, "recognizer": who.recognizer, "surface": who.surface, "axis": axis}
            row |= {"defense": who.defense, "plugin": plugins.get(title, title), "knowledge": who.knowledge}
            rows.append(row | {"budget": budget, "attack": who.attack, "judge": judge} | spread("sar2", reach))
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    curve = [*_PLACE, "plugin", "knowledge"]
    several = table.groupby(curve)["budget"].transform("nunique") > 1
    return table[several].sort_values([*curve, "budget", "attack"]).reset_index(drop=True)


def spaced(ticks: Sequence[float]) -> list[float]:
    """Those of the ascending positive ``ticks`` that are far enough apart on a log axis for their numbers."""
    least = _APART * math.log(ticks[-1] / ticks[0])
    kept = [ticks[0]]
    for tick in ticks[1:]:
        if math.log(tick / kept[-1]) >= least:
            kept.append(tick)
    return kept


def _plugins(run: Mapping[str, Any]) -> dict[str, str]:
    resolved = run.get("resolved")
    entries = resolved.get("attacks") if isinstance(resolved, Mapping) else None
    known = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    return {str(entry.get("label") or entry.get("name")): str(entry.get("name")) for entry in known}


def _draw(rows: pd.DataFrame, place: tuple[str, str, str, str], axis: str, fmr: float, path: Path) -> None:
    height = 2.5
    figure = new_figure(1.5 * COLUMN, height)
    axes = figure.add_axes((0.12, 0.42 / height, 0.55, 1 - 0.9 / height))
    for number, ((plugin, knowledge), points) in enumerate(rows.groupby(["plugin", "knowledge"])):
        colour, marker = look(number)
        bars = [error_lengths(*one) for one in zip(points["sar2"], points["sar2_lo"], points["sar2_hi"])]
        axes.errorbar(
            points["budget"], points["sar2"], yerr=list(zip(*bars)), fmt=f"{marker}-", color=colour, ms=4.5,
            mec="white", mew=0.5, lw=1.1, elinewidth=0.7, capsize=0, label=f"{plugin} ({knowledge})", zorder=3,
        )  # fmt: skip
    axes.axhline(fmr, color=GREY, lw=0.8, ls=(0, (1, 2)), label="chance", zorder=1)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    ticks = spaced(sorted(set(rows["budget"])))
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel(_AXES[axis])
    axes.set_ylabel(f"SAR Type-II at {fmr_text(fmr)}")
    axes.grid(color="#eeeeee", lw=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
    figure.text(0.012, 1 - 0.14 / height, f"Success against {axis}", fontsize=9.5, weight="bold", va="center")
    about = f"data {place[0]}  ·  recognizer {place[1]}  ·  {surface_text(place[2])}  ·  defense {place[3]}"
    figure.text(0.012, 1 - 0.32 / height, about, color=GREY, va="center")
    save(figure, path.parent, path.name, rows)
