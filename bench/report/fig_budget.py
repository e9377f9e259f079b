"""Success against budget: what an attack reaches as it may ask, or learn from, more.

A defence that holds against 256 pairs may fall to 4,000, and an attack that needs 7,300 questions about a victim is
another threat than one that needs 99: a single number hides both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from .curves import draw_curves
from .load import RunFolder
from .rows import UNDEFENDED, View, view_of
from .seeds import spread
from .style import Made, fmr_text, stem, surface_text

_AXES = {
    "queries": "questions asked about one victim",
    "pairs": "public pictures whose leak the attacker has",
    "steps": "steps of its training and search",
}
Points: TypeAlias = list[tuple[float, str]]
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
    table = budget_table(view_of(run), _plugins(run.run), _stepped(run.run))
    for place, rows in table.groupby(_PLACE):
        dataset, recognizer, surface, defense, axis = (str(part) for part in place)
        name = stem(f"success-vs-{axis}", dataset, recognizer, surface, defense)
        draw_curves(
            rows, "plugin", "budget", "sar2", chance=run.headline_fmr, title=f"Success against {axis}",
            labels=(_AXES[axis], f"SAR Type-II at {fmr_text(run.headline_fmr)}"),
            place=(dataset, recognizer, surface, defense), path=folder / name,
        )  # fmt: skip
        against = "the unprotected system" if defense == UNDEFENDED else defense
        caption = (
            f"What attacks on the {surface_text(surface)} of {against} reach as their budget grows: {_AXES[axis]}. "
            "Bars are 95 % intervals over identities; the dotted line is chance."
        )
        made.append(Made(name, "budget", caption, surface, dataset, recognizer))
    return made


def budget_table(view: View, plugins: Mapping[str, str], stepped: Sequence[Points] = ()) -> pd.DataFrame:
    """One row per point of a curve; attacks that were given one budget only have no curve.

    Args:
        view: the results.
        plugins: what rows call an attack -> its plug-in.
        stepped: curves against steps, as budgets, ascending, and what rows call the attack. Of these the other axes
            show the largest budget alone.
    """
    steps = {title: (points[-1][1], budget) for points in stepped for budget, title in points}
    rows: list[dict[str, Any]] = []
    for who, cells in view.cells.items():
        title = who.attack.split(" [")[0]
        judge = view.judge_of(who)
        reach = view.get(who, "sar_type2", judge)
        if view.role(who) != "attack" or reach is None:
            continue
        asked, (longest, spent) = view.get(who, "queries_per_victim"), steps.get(title, (title, math.nan))
        budgets = {"queries": asked.value if asked else math.nan, "pairs": cells.n_aux} if longest == title else {}
        for axis, budget in (budgets | {"steps": spent}).items():
            if not budget > 0:
                continue
            row = {"dataset": who.dataset, "recognizer": who.recognizer, "surface": who.surface, "axis": axis}
            curve = longest if axis == "steps" else plugins.get(title, title)
            row |= {"defense": who.defense, "plugin": curve, "knowledge": who.knowledge}
            rows.append(row | {"budget": budget, "attack": who.attack, "judge": judge} | spread("sar2", reach))
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    curve_of = [*_PLACE, "plugin", "knowledge"]
    several = table.groupby(curve_of)["budget"].transform("nunique") > 1
    return table[several].sort_values([*curve_of, "budget", "attack"]).reset_index(drop=True)


def _plugins(run: Mapping[str, Any]) -> dict[str, str]:
    resolved = run.get("resolved")
    entries = resolved.get("attacks") if isinstance(resolved, Mapping) else None
    known = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    return {str(entry.get("label") or entry.get("name")): str(entry.get("name")) for entry in known}


def _stepped(run: Mapping[str, Any]) -> list[Points]:
    """Curves against steps as the run wrote them down, since only it knows the settings that attacks were made with."""
    curves = run.get("stepped")
    known = [curve for curve in curves if isinstance(curve, list) and curve] if isinstance(curves, list) else []
    return [[(float(budget), str(title)) for budget, title in curve] for curve in known]
