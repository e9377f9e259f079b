"""Board of judges: do two independent ones agree whom the recoveries of an attack show."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from .board_attacks import ROLE_ORDER
from .rows import UNDEFENDED, View
from .seeds import spread

_KEYS = ("dataset", "recognizer", "surface", "defense", "attack", "knowledge")
JUDGES_COLUMNS = (
    *_KEYS, "role", "judges", "agreement", "agreement_lo", "agreement_hi", "kappa", "kappa_lo", "kappa_hi", "n_seeds",
)  # fmt: skip


def judges_board(view: View) -> pd.DataFrame:
    """One row per attack, floor or ceiling and pair of judges, undefended first; without rows where one judge is."""
    rows: list[dict[str, Any]] = []
    for (who, split, metric, pair, fmr), share in view.stats.items():
        if (split, metric, fmr) == ("victims", "judge_agreement", view.fmr):
            kappa = view.stats.get((who, split, "judge_kappa", pair, fmr))
            row = {name: getattr(who, name) for name in _KEYS} | {"role": view.role(who), "judges": pair}
            rows.append(row | spread("agreement", share) | spread("kappa", kappa) | {"n_seeds": share.n_seeds})
    board = pd.DataFrame(rows, columns=list(JUDGES_COLUMNS))
    order = board.assign(_first=board["defense"] != UNDEFENDED, _role=board["role"].map(ROLE_ORDER))
    keys = ["dataset", "recognizer", "surface", "_first", "defense", "_role", "attack", "knowledge", "judges"]
    return board.loc[order.sort_values(keys, kind="stable").index].reset_index(drop=True)


def agreement_sentences(board: pd.DataFrame) -> list[str]:
    """How far each two judges agree about attacks of one data set, recogniser and surface."""
    found = []
    for pair, rows in board[board["role"] == "attack"].groupby("judges"):
        kappa, count = rows["kappa"].mean(), len(rows)
        beyond = "" if math.isnan(kappa) else f" (kappa {kappa:.2f})"
        found.append(
            f"The independent judges {pair} agree on {100 * rows['agreement'].mean():.1f} % of decisions{beyond}, mean "
            f"over {count} attack{'s' * (count != 1)} on all systems."
        )
    return found
