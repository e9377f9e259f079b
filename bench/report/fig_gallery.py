"""Success against the gallery: how often a victim still comes first as further people stand beside the victims."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.ticker import FuncFormatter, NullLocator

from .fig_budget import spaced
from .load import RunFolder
from .rows import UNDEFENDED, View, prepare
from .seeds import spread
from .style import COLUMN, GREY, Made, error_lengths, look, new_figure, save, stem, surface_text

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
        _draw(rows, (dataset, recognizer, surface, defense), folder / name)
        against = "the unprotected system" if defense == UNDEFENDED else defense
        caption = (
            f"How often attacks on the {surface_text(surface)} of {against} bring the victim first, by the number of "
            "people in the gallery. Bars are 95 % intervals over identities; the dotted line is chance."
        )
        made.append(Made(name, "gallery", caption, surface, dataset, recognizer))
    return made


def gallery_table(run: RunFolder) -> pd.DataFrame:
    """One row per attack and size of the gallery, by its judge; floors are there for comparison."""
    view = prepare(run.results, run.headline_fmr, run.roles)
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


def _draw(rows: pd.DataFrame, place: tuple[str, str, str, str], path: Path) -> None:
    height = 2.5
    figure = new_figure(1.5 * COLUMN, height)
    axes = figure.add_axes((0.12, 0.42 / height, 0.55, 1 - 0.9 / height))
    for number, ((attack, knowledge), points) in enumerate(rows.groupby(["attack", "knowledge"])):
        colour, marker = look(number)
        bars = [error_lengths(*one) for one in zip(points["rank1"], points["rank1_lo"], points["rank1_hi"])]
        axes.errorbar(
            points["people"], points["rank1"], yerr=list(zip(*bars)), fmt=f"{marker}-", color=colour, ms=4.5,
            mec="white", mew=0.5, lw=1.1, elinewidth=0.7, capsize=0, label=f"{attack} ({knowledge})", zorder=3,
        )  # fmt: skip
    chance = rows.drop_duplicates("people").sort_values("people")
    axes.plot(chance["people"], chance["chance"], color=GREY, lw=0.8, ls=(0, (1, 2)), label="chance", zorder=1)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    ticks = sorted(set(rows["people"]))
    ticks = [int(tick) for tick in spaced(ticks)] if len(ticks) > 1 else ticks
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel("people in the gallery")
    axes.set_ylabel("victim comes first")
    axes.grid(color="#eeeeee", lw=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
    figure.text(
        0.012, 1 - 0.14 / height, "Success against the gallery's size", fontsize=9.5, weight="bold", va="center"
    )
    about = f"data {place[0]}  ·  recognizer {place[1]}  ·  {surface_text(place[2])}  ·  defense {place[3]}"
    figure.text(0.012, 1 - 0.32 / height, about, color=GREY, va="center")
    save(figure, path.parent, path.name, rows)
