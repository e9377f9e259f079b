"""All figures of a report, from the boards and the cells' files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .fig_budget import draw_budgets
from .fig_gallery import draw_galleries
from .fig_grid import draw_grids
from .fig_ladder import draw_ladders
from .fig_loss import draw_losses
from .fig_matrix import draw_matrices
from .fig_publication import draw_publications
from .fig_risk import draw_risks
from .fig_roc import draw_rocs
from .fig_scatter import draw_scatters
from .fig_scores import draw_histograms
from .fig_significance import draw_significance
from .fig_sweep import draw_sweeps
from .fig_transfer import draw_transfers
from .load import RunFolder
from .style import Made, house_style
from .verification import read_scores


def draw_figures(
    boards: dict[str, pd.DataFrame], run: RunFolder, losses: pd.DataFrame, folder: Path, problems: list[str]
) -> list[Made]:
    """Draw what the run has data for.

    Args:
        boards: as ``build_boards`` gives them.
        run: the run folder, for pictures and scores.
        losses: as ``read_losses`` gives them.
        folder: where PNG, PDF and CSV go.
        problems: gets one sentence per file that could not be read.
    """
    fmr = run.headline_fmr
    scores = read_scores(run, problems)
    with house_style():
        return [
            *draw_ladders(boards["attacks"], fmr, folder),
            *draw_scatters(boards["defenses"], boards["attacks"], fmr, folder),
            *draw_publications(boards["publication"], fmr, folder),
            *draw_sweeps(run, folder),
            *draw_budgets(run, folder),
            *draw_galleries(run, folder),
            *(draw_risks(boards["risk"], folder) if "risk" in boards else ()),
            *draw_matrices(boards["matrix"], fmr, folder),
            *draw_significance(boards["significance"], fmr, folder),
            *draw_grids(run.cells, boards["attacks"], boards["defenses"], folder, problems),
            *draw_losses(losses, folder),
            *draw_transfers(boards["transfer"], fmr, folder),
            *draw_rocs(scores, folder),
            *draw_histograms(scores, fmr, folder),
        ]
