"""Success against the gallery: how often a victim still comes first as further people stand beside the victims."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from .curves import draw_curves
from .load import RunFolder
from .rows import UNDEFENDED, View, view_of
from .seeds import spread
from .style import Made, stem, surface_text

_RANK, _CHANCE = "gallery_rank1_", "gallery_chance_"
_PLACE = ["dataset", "recognizer", "surface", "defense"]
_COLUMNS = (*_PLACE, "attack", "knowledge", "judge", "further", "people", "rank1", "rank1_lo", "rank1_hi", "chance")


def draw_galleries(run: RunFolder, folder: Path) -> list[Made]:
    """One figure per data set, recognizer, surface and defense; none where a track asks for no further people."""
    if not run.results["metric"].astype(str).str.startswith(_RANK).any():
        return []
    made = []
    for place, rows in gallery_table(run).groupby(_PLACE):
        dataset, recognizer, surface, defense = (str(part) for part in place)
        name = stem("success-vs-gallery", dataset, recognizer, surface, defense)
        chance = rows.drop_duplicates("people").set_index("people")["chance"].sort_index()
        draw_curves(
            rows, "attack", "people", "rank1", chance=chance, title="Success against the gallery's size",
            labels=("people in the gallery", "victim comes first"), place=(dataset, recognizer, surface, defense),
            path=folder / name,
        )  # fmt: skip
        against = "the unprotected system" if defense == UNDEFENDED else defense
        caption = (
            f"How often attacks on the {surface_text(surface)} of {against} bring the victim first, by the number of "
            "people in the gallery. Bars are 95 % intervals over identities; the dotted line is chance."
        )
        made.append(Made(name, "gallery", caption, surface, dataset, recognizer))
    return made


def gallery_table(run: RunFolder) -> pd.DataFrame:
    """One row per attack and size of the gallery, by its judge; floors are there for comparison."""
    view = view_of(run)
    rows: list[dict[str, Any]] = []
    for who in view.cells:
        judge = view.judge_of(who)
        for further in _sizes(view):
            rank, chance = view.get(who, f"{_RANK}{further}", judge), view.get(who, f"{_CHANCE}{further}", judge)
            if rank is not None and chance is not None:
                row: dict[str, Any] = {"dataset": who.dataset, "recognizer": who.recognizer, "surface": who.surface}
                row |= {"defense": who.defense, "attack": who.attack, "knowledge": who.knowledge, "judge": judge}
                row |= {"further": further, "people": round(1 / chance.value), "chance": chance.value}
                rows.append(row | spread("rank1", rank))
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    return table.sort_values([*_PLACE, "attack", "knowledge", "people"]).reset_index(drop=True)


def _sizes(view: View) -> list[int]:
    names = {metric.removeprefix(_RANK) for _, _, metric, _, _ in view.stats if metric.startswith(_RANK)}
    return sorted(int(name) for name in names)
