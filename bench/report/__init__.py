"""From a finished or half-finished run folder to boards, figures and one page. Needs no weights and no network."""

from __future__ import annotations

from pathlib import Path

from .load import RunFolderError

__all__ = ["RunFolderError", "make_report"]


def make_report(run_folder: Path) -> Path:
    """Write ``boards/``, ``figures/`` and ``index.html`` into a run folder, replacing those of an earlier report.

    Args:
        run_folder: a folder with results.csv and run.json; everything else in it is optional.

    Returns:
        The path of index.html.

    Raises:
        RunFolderError: ``run_folder`` is not a run folder, or its results.csv has other columns.
    """
    from .build import build_report  # matplotlib takes a second to import, and only reporting needs it

    return build_report(Path(run_folder))
