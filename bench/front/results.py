"""A run folder's tables as data frames with the types that their columns mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import InputError
from ..core.registry import nearest
from ..report.boards import boards_of
from ..report.comparisons import compared_of
from ..report.load import load_run

_WHOLE = ("seed", "n", "n_queries", "n_aux", "n_protected_pairs", "params")
_YES_NO = ("higher_is_better", "dirty")


def load_results(run_folder: str | Path, board: str = "results") -> pd.DataFrame:
    """The rows of a run, or one of its boards.

    Whole numbers come as ``Int64`` and yes or no as ``boolean``, both with ``<NA>`` where a row has none; ``created``
    is a time, text is never NaN.

    Args:
        run_folder: the folder, or its ``results.csv``; a run that has not ended has the rows of the cells that have.
        board: ``results`` for all rows, or ``defenses``, ``attacks``, ``matrix``, ... as in the folder's ``boards/``.

    Raises:
        RunFolderError: not a run folder.
        InputError: no such board.
    """
    place = Path(run_folder)
    folder = place.parent if place.name.startswith("results.csv") else place
    run = load_run(folder, cells=board != "results")
    if board == "results":
        return typed(run.results)
    boards = boards_of(run, compared_of(run, []))
    if board not in boards:
        raise InputError(f"No board is called {board!r}; {nearest(board, ['results', *boards])}")
    return boards[board].convert_dtypes(convert_string=False, convert_floating=False)


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``results.csv`` as read -> with whole numbers, truth values and times."""
    columns: dict[str, pd.Series[Any]] = {name: rows[name].astype("Int64") for name in _WHOLE}
    for name in _YES_NO:
        columns[name] = rows[name].map({"True": True, "False": False}).astype("boolean")
    columns["created"] = pd.to_datetime(rows["created"], utc=True, errors="coerce")
    return rows.assign(**columns)
