"""The report, put together beside the old one and then swapped in, so that nobody ever opens half a report."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from .boards import boards_of, write_boards
from .cells import render_cells
from .comparisons import compared_of
from .fig_loss import read_losses
from .figures import draw_figures
from .freshness import note_sources, sources_of
from .latex import write_tables
from .latex_significance import write_significance
from .load import load_run
from .page import render_page
from .significance import Verdicts

_PARTS = ("boards", "tables", "figures", "cells.html", "index.html")


def build_report(folder: Path) -> Path:
    """See ``make_report``."""
    sources = sources_of(folder)
    run = load_run(folder)
    problems = list(run.problems)
    compared = compared_of(run, problems)
    boards = boards_of(run, compared)
    work = Path(tempfile.mkdtemp(prefix=".report-", dir=folder))
    try:
        write_boards(boards, work / "boards")
        write_tables(boards["defenses"], run, work / "tables", Verdicts(compared))
        write_significance(boards["significance"], run, work / "tables")
        (work / "figures").mkdir()
        losses = read_losses(run.cells, problems)
        made = draw_figures(boards, run, losses, work / "figures", problems)
        (work / "cells.html").write_text(render_cells(run, losses), encoding="utf-8", newline="\n")
        page = render_page(run, boards, made, problems)
        (work / "index.html").write_text(page, encoding="utf-8", newline="\n")
        for name in _PARTS:
            _swap(work, folder, name)
        note_sources(folder, sources)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder / "index.html"


def _swap(work: Path, folder: Path, name: str) -> None:
    """Move ``name`` into place; the old one leaves first, because a folder cannot be renamed onto a full one."""
    target = folder / name
    if target.is_dir():
        target.rename(work / f"old-{name}")
    (work / name).replace(target)
