"""The report, put together beside the old one and then swapped in, so that nobody ever opens half a report."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pandas as pd

from .board_attributes import split_probes
from .board_measures import generic_metrics
from .boards import build_boards, write_boards
from .cells import render_cells
from .comparisons import compare_run
from .fig_loss import read_losses
from .figures import draw_figures
from .freshness import note_sources, sources_of
from .latex import write_tables
from .latex_significance import write_significance
from .load import RunFolder, load_run
from .page import render_page
from .rows import prepare
from .significance import Verdicts, read_table

_PARTS = ("boards", "tables", "figures", "cells.html", "index.html")


def build_report(folder: Path) -> Path:
    """See ``make_report``."""
    sources = sources_of(folder)
    run = load_run(folder)
    problems = list(run.problems)
    compared = compared_of(run, problems)
    metrics = generic_metrics(run)
    boards = build_boards(run.results, run.headline_fmr, metrics, run.roles, run.utility_loss, compared)
    work = Path(tempfile.mkdtemp(prefix=".report-", dir=folder))
    try:
        write_boards(boards, work / "boards")
        write_tables(boards["defenses"], run, work / "tables", Verdicts(compared))
        write_significance(boards["significance"], run, work / "tables")
        (work / "figures").mkdir()
        losses = read_losses(run.cells, problems)
        made = draw_figures(boards, run, losses, work / "figures", problems)
        (work / "cells.html").write_text(render_cells(run, losses), encoding="utf-8")
        (work / "index.html").write_text(render_page(run, boards, made, problems), encoding="utf-8")
        for name in _PARTS:
            _swap(work, folder, name)
        note_sources(folder, sources)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder / "index.html"


def compared_of(run: RunFolder, problems: list[str]) -> pd.DataFrame | None:
    """Paired comparisons from the scores that cells kept; where none were (a committed run) those of its boards."""
    view = prepare(split_probes(run.results)[1], run.headline_fmr, run.roles, run.utility_loss)
    table = compare_run(run, view, problems)
    if len(table):
        return table
    file = run.path / "boards" / "significance.csv"
    return read_table(file) if file.is_file() else None


def _swap(work: Path, folder: Path, name: str) -> None:
    """Move ``name`` into place; the old one leaves first, because a folder cannot be renamed onto a full one."""
    target = folder / name
    if target.is_dir():
        target.rename(work / f"old-{name}")
    (work / name).replace(target)
