"""Boards: pure functions from ``results.csv`` to tables, and one that writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.spreadsheet import defused
from ..record.metrics import Metric
from ..record.words import UTILITY_LOSS
from .board_attacks import SPREAD, attack_board, matrix_board, matrix_wide, transfer_board
from .board_attributes import attribute_board, split_probes
from .board_defenses import defense_board
from .board_judges import judges_board
from .board_measures import generic_metrics, measures_board
from .board_publication import publication_board
from .board_risk import risk_board
from .load import DEFAULT_FMR, RunFolder
from .rows import prepare
from .significance import BETWEEN, SIGNIFICANCE_COLUMNS, Verdicts

BOARDS = ("defenses", "significance", "attacks", "matrix", "matrix_wide", "transfer", "attributes", "publication")


def build_boards(
    results: pd.DataFrame,
    fmr: float = DEFAULT_FMR,
    metrics: tuple[Metric, ...] = (),
    roles: Mapping[str, str] | None = None,
    utility_loss: float = UTILITY_LOSS,
    compared: pd.DataFrame | None = None,
    shared: float = 1.0,
) -> dict[str, pd.DataFrame]:
    """All boards of a run, by name (``BOARDS``).

    Args:
        results: rows of ``bench/record/results.py`` as ``read_results`` gives them.
        fmr: the headline false match rate at which SAR and TAR are read.
        metrics: that ask for a column; without any there is no board ``measures``, and none ``risk`` without ratios.
        roles: title of an attack -> attack, floor or ceiling; empty for runs from before they were kept.
        utility_loss: of accuracy at most, for a rank.
        compared: paired comparisons, as ``compare_run`` gives them; without them ranks and marks go by intervals.
        shared: share of their people that two seeds have in common; 1 where seeds do not move splits.
    """
    probes, others = split_probes(results)
    view, verdicts = prepare(others, fmr, roles, utility_loss, shared), Verdicts(compared)
    matrix = matrix_board(view, verdicts)
    table = pd.DataFrame(columns=list(SIGNIFICANCE_COLUMNS)) if compared is None else compared
    boards = {
        "defenses": defense_board(view, verdicts),
        "significance": table,
        "attacks": attack_board(view),
        "matrix": matrix,
        "matrix_wide": matrix_wide(matrix),
        "transfer": transfer_board(view),
        "attributes": attribute_board(prepare(probes, fmr, roles, shared=shared)),
        "publication": publication_board(others, view),
    }
    if len(judges := judges_board(view)):  # only where there are two
        boards["judges"] = judges
    if len(risk := risk_board(view)):  # runs of earlier versions have no such ratios
        boards["risk"] = risk
    for name in ("defenses", "attacks", "matrix"):  # one seed has no spread
        if boards[name][SPREAD].isna().all():
            boards[name] = boards[name].drop(columns=SPREAD)
    if table[BETWEEN].isna().all():
        boards["significance"] = table.drop(columns=BETWEEN)
    if metrics:
        boards["measures"] = measures_board(prepare(results, fmr, roles, shared=shared), metrics)
    return boards


def boards_of(run: RunFolder, compared: pd.DataFrame | None = None) -> dict[str, pd.DataFrame]:
    """All boards of a run, read as it says that it is to be read; ``compared`` as of ``build_boards``."""
    return build_boards(
        run.results, run.headline_fmr, generic_metrics(run), run.roles, run.utility_loss, compared, run.shared_people
    )


def write_boards(boards: dict[str, pd.DataFrame], folder: Path) -> None:
    """One CSV per board: six significant digits, empty means not applicable."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, board in boards.items():
        write_csv(board, folder / f"{name}.csv")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """A table the way the whole report writes them."""
    text = frame.map(_text).rename(columns=defused).to_csv(index=False, lineterminator="\n")
    path.write_text(text, encoding="utf-8", newline="\n")


def _text(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return "" if value is None else defused(value)
