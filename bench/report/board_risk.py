"""Board of the question behind a "factor of four": how often is somebody found, and how often without a reason.

Wenger et al. (arXiv 2202.05760) report that reconstructions of face templates re-identify people at worst four times as
often as randomised baselines. Each row is one attack at one rank of a gallery, with three such baselines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from ..record.words import FACTOR_OF_FOUR, NOBODY, RANKS, RATIOS
from .rows import UNDEFENDED, AttackId, View
from .seeds import Stat, spread
from .strongest import strongest, value_of

_KEYS = ("dataset", "recognizer", "surface", "defense", "attack", "knowledge")
RISK_COLUMNS = (
    *_KEYS, "role", "strongest", "judge", "depth", "found", "found_lo", "found_hi", "shuffled", "risk_ratio",
    "risk_ratio_lo", "risk_ratio_hi", "factor_of_four",
    *(f"{floor}{end}" for floor in NOBODY for end in ("", "_ratio", "_ratio_lo", "_ratio_hi")),
    "n_seeds",
)  # fmt: skip


def risk_board(view: View) -> pd.DataFrame:
    """One row per attack or floor and depth of the gallery, undefended first; ``strongest`` as on the main board."""
    rows: list[dict[str, Any]] = []
    for system in sorted({(*who[:3], who.surface) for who in view.cells}):
        here = [who for who in view.cells if (*who[:3], who.surface) == system and view.role(who) != "ceiling"]
        worst = strongest(view, here)
        for who in sorted(here):
            chosen = worst is not None and who == worst.who
            rows += _rows(view, who, worst.judge if worst and chosen else view.judge_of(who), chosen)
    board = pd.DataFrame(rows, columns=list(RISK_COLUMNS))
    order = board.assign(_first=board["defense"] != UNDEFENDED)
    keys = ["dataset", "recognizer", "surface", "_first", "defense", "attack", "knowledge"]
    return board.loc[order.sort_values(keys, kind="stable").index].reset_index(drop=True)


def _rows(view: View, who: AttackId, judge: str, strongest_here: bool) -> Iterable[dict[str, Any]]:
    for depth, rank in RANKS.items():
        found, ratio = view.get(who, rank, judge), view.get(who, RATIOS[rank], judge)
        if found is None or view.get(who, f"{rank}_shuffled", judge) is None:
            continue
        row: dict[str, Any] = {name: getattr(who, name) for name in _KEYS}
        row |= {"role": view.role(who), "strongest": "yes" if strongest_here else "", "judge": judge, "depth": depth}
        row |= spread("found", found) | spread("risk_ratio", ratio) | {"n_seeds": found.n_seeds}
        row |= {"shuffled": value_of(view.get(who, f"{rank}_shuffled", judge)), "factor_of_four": beyond(ratio)}
        for floor in NOBODY:
            base = value_of(view.get(who, f"{rank}_{floor}", judge))
            row |= {floor: base} | _over(f"{floor}_ratio", found, base)
        yield row


def beyond(ratio: Stat | None) -> str:
    """Where a ratio's interval lies beside the paper's four: above, below, or it holds it."""
    if ratio is None or math.isnan(ratio.lo) or math.isnan(ratio.hi):
        return ""
    return "above" if ratio.lo > FACTOR_OF_FOUR else "below" if ratio.hi < FACTOR_OF_FOUR else "not told apart"


def _over(name: str, found: Stat, base: float) -> dict[str, float]:
    """A rate and its interval over a baseline that is a property of the gallery, hence has none."""
    ends = (found.value, found.lo, found.hi)
    values = [end / base if base > 0 else math.nan for end in ends]
    return dict(zip((name, f"{name}_lo", f"{name}_hi"), values, strict=True))
