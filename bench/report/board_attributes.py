"""Board of probes: which attributes can be read from what leaked, against chance and against the photograph itself."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..record.words import ATTRIBUTE_METRICS
from .board_attacks import ROLE_ORDER, interval
from .rows import AttackId, View

ALL = "mean of all"
_PREFIX = "attribute_"
_KEYS = ("dataset", "recognizer", "surface", "defense", "role", "attack", "knowledge", "attribute")
ATTRIBUTE_COLUMNS = (
    *_KEYS, "status",
    *(f"{metric}{end}" for metric in ATTRIBUTE_METRICS for end in ("", "_lo", "_hi")),
    "n_seeds", "n_cells", "n_failed", "flags",
)  # fmt: skip


def split_probes(results: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of attacks that read attributes, and all others: a probe brings nobody back, so no judge ranks it."""
    probes = set(results.loc[results["metric"].astype(str).str.startswith(_PREFIX), "attack"])
    theirs = results["attack"].isin(list(probes))
    return results[theirs], results[~theirs]


def attribute_board(view: View) -> pd.DataFrame:
    """One row per probe and attribute, and one for the mean over the attributes; ceilings first."""
    known: dict[AttackId, set[str]] = {}
    for who, _, metric, _, _ in view.stats:
        if metric.startswith(_PREFIX):
            known.setdefault(who, set()).add(metric.partition(":")[2])
    rows = [_row(view, who, name) for who in view.cells for name in sorted(known.get(who, {""}))]
    board = pd.DataFrame(rows, columns=list(ATTRIBUTE_COLUMNS))
    keys = board.assign(
        role=board["role"].map(ROLE_ORDER), attribute=board["attribute"].where(board["attribute"] != ALL, "")
    )
    return board.loc[keys.sort_values(list(_KEYS), kind="stable").index].reset_index(drop=True)


def _row(view: View, who: AttackId, attribute: str) -> dict[str, Any]:
    cells = view.cells[who]
    row: dict[str, Any] = {
        **who._asdict(),
        "role": view.role(who),
        "attribute": attribute or ALL,
        "status": cells.status,
        **{name: getattr(cells, name) for name in ("n_cells", "n_failed", "flags")},
    }
    for metric in ATTRIBUTE_METRICS:
        stat = view.get(who, f"{metric}:{attribute}" if attribute else metric)
        row |= interval(metric, stat)
        row["n_seeds"] = max(row.get("n_seeds", 0), stat.n_seeds if stat else 0)
    return row
