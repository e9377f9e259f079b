"""``results.csv``: tidy long form, one metric of one cell per row. The only input of boards, tables and figures."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from ..core.errors import NotApplicable, ThreatModelError
from ..core.spreadsheet import defused, restored
from ..store.durable import write_if_changed

Row: TypeAlias = "dict[str, Any]"

COLUMNS: tuple[str, ...] = (
    "run_id", "cell", "recognizer", "defense", "attack", "surface", "knowledge", "dataset", "split", "protocol",
    "seed", "metric", "judge", "value", "ci_lo", "ci_hi", "ci_method", "n", "n_unit", "unit", "higher_is_better",
    "threshold", "fmr", "fmr_lo", "fmr_hi", "recognizer_access", "secrets_granted", "n_queries", "n_aux",
    "n_protected_pairs", "train_s", "invert_s", "params", "status", "fidelity", "flags", "paper_value", "paper_source",
    "code_sha", "dirty", "data_sha", "weights_sha", "device", "torch", "created",
)  # fmt: skip

PARTS = "measures.json"  # of a cell: what each of its measurements said

# What a repeated run may change; everything else must be byte-identical.
VOLATILE: tuple[str, ...] = ("run_id", "train_s", "invert_s", "created")
TIMING_METRICS: tuple[str, ...] = ("protect_ms", "peak_memory_mb")

STATUSES: tuple[str, ...] = ("ok", "failed", "refused", "not-applicable", "absent", "skipped-budget")

_ORDER = [
    "dataset", "recognizer", "defense", "surface", "attack", "knowledge", "seed", "split", "metric", "judge", "fmr",
]  # fmt: skip


SCORES = "scores.npz"  # of ``identity``: whom each judge takes the recoveries for


def kept_file(measurement: str) -> str:
    """Where a cell keeps what the rows of a measurement are computed from; the scores have had their name longest."""
    return SCORES if measurement == "identity" else f"measure-{measurement}.npz"


def status_of(error: BaseException) -> str:
    """What a cell that ended with ``error`` is called."""
    if isinstance(error, NotApplicable):
        return "not-applicable"
    return "refused" if isinstance(error, ThreatModelError) else "failed"


def _number(value: Any) -> Any:
    """Six significant digits, so that a git diff of results is readable; text that no spreadsheet runs."""
    if isinstance(value, str):
        return defused(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value


def results_text(rows: list[Row]) -> str:
    """Rows sorted, in the fixed column order; empty means not applicable, never 0."""
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    if len(frame):
        keys = frame[_ORDER].apply(lambda column: column.map(_sort_key))
        frame = frame.loc[keys.sort_values(_ORDER, kind="stable").index]
    return frame.map(_number).to_csv(index=False, na_rep="", lineterminator="\n")


def write_results(rows: list[Row], path: Path) -> bool:
    """Write ``results_text`` unless it stands there already. Returns whether it was written."""
    return write_if_changed(path, results_text(rows))


def _sort_key(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6e}" if isinstance(value, float) else str(value)


def read_results(path: Path | io.StringIO) -> pd.DataFrame:
    """The table back, with numbers as numbers and text columns without NaN. A byte order mark is no part of it.

    Raises:
        ValueError: no table, or one that lacks columns.
    """
    empty = {name: [""] for name in _NUMBERS}
    frame = pd.read_csv(
        path, dtype=dict.fromkeys(_TEXT, str), keep_default_na=False, na_values=empty, encoding="utf-8-sig"
    )
    for name in set(_ADDED) - set(frame):  # a table from before there were such columns
        frame[name] = math.nan
    if missing := [name for name in COLUMNS if name not in frame]:
        raise ValueError(f"no column {', '.join(missing[:3])}")
    frame = frame[[*COLUMNS, *(name for name in frame if name not in COLUMNS)]].copy()
    for name in _NUMBERS:
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    for name in _TEXT:
        column = frame[name].fillna("")  # a line that was cut
        frame[name] = column.map({text: restored(text) for text in column.unique()})
    return frame


_ADDED = ("fmr_lo", "fmr_hi")
_NUMBERS = (
    "seed", "value", "ci_lo", "ci_hi", "n", "threshold", "fmr", "fmr_lo", "fmr_hi", "n_queries", "n_aux",
    "n_protected_pairs", "train_s", "invert_s", "params",
)  # fmt: skip
_TEXT = tuple(name for name in COLUMNS if name not in _NUMBERS)
