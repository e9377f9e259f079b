"""All figures of a report, from the boards and the cells' files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .fig_budget import draw_budgets
from .fig_grid import draw_grids
from .fig_ladder import draw_ladders
from .fig_loss import draw_losses, read_losses
from .fig_matrix import draw_matrices
from .fig_scatter import draw_scatters
from .fig_sweep import draw_sweeps
from .load import RunFolder
from .style import Made, house_style


def draw_figures(boards: dict[str, pd.DataFrame], run: RunFolder, folder: Path, problems: list[str]) -> list[Made]:
    """Draw what the run has data for.

    Args:
        boards: as ``build_boards`` gives them.
        run: the run folder, for pictures and loss curves.
        folder: where PNG, PDF and CSV go.
        problems: gets one sentence per file that could not be read.
    """
    fmr = run.headline_fmr
    with house_style():
        return [
            *draw_ladders(boards["attacks"], fmr, folder),
            *draw_scatters(boards["defenses"], boards["attacks"], fmr, folder),
            *draw_sweeps(run, folder),
            *draw_budgets(run, folder),
            *draw_matrices(boards["matrix"], fmr, folder),
            *draw_grids(run.cells, boards["attacks"], boards["defenses"], folder, problems),
            *draw_losses(read_losses(run.cells, problems), folder),
        ]
