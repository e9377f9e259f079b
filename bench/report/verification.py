"""The verification scores that a run's cells have kept: what ROC, DET and histograms are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..record.arrays import read_arrays
from ..record.results import kept_file
from .load import CellFile, RunFolder
from .rows import UNDEFENDED

_FILE = kept_file("verification")


@dataclass(frozen=True, eq=False)
class Scores:
    """The defended system's scores of pairs of victims, of one recogniser and defence; of the first seed.

    Args:
        dataset: of the run.
        recognizer: the system's.
        defense: its protection.
        genuine: (n,) one person.
        impostor: (m,) two persons.
        threshold: at the headline false match rate, from the calibration identities; NaN where there is none.
    """

    dataset: str
    recognizer: str
    defense: str
    genuine: np.ndarray
    impostor: np.ndarray
    threshold: float

    @property
    def system(self) -> tuple[str, str]:
        """What shares a figure."""
        return self.dataset, self.recognizer


def read_scores(run: RunFolder, problems: list[str]) -> list[Scores]:
    """Of every utility cell that kept its scores, the undefended system first; one sentence per file that is broken."""
    found: dict[tuple[str, str, str], Scores] = {}
    for cell in sorted(run.cells, key=lambda cell: cell.seed):
        path = cell.path / _FILE
        who = (cell.text("dataset"), cell.text("recognizer"), cell.text("defense"))
        if cell.text("attack") or who in found or not path.is_file():
            continue
        try:
            kept = read_arrays(path)
            found[who] = Scores(*who, kept["genuine"], kept["impostor"], _threshold(run, cell))
        except (OSError, ValueError, KeyError) as error:
            problems.append(f"cells/{cell.path.name}/{_FILE} cannot be read ({error}).")
    return [found[who] for who in sorted(found, key=lambda who: (who[:2], who[2] != UNDEFENDED, who[2]))]


def _threshold(run: RunFolder, cell: CellFile) -> float:
    rows = run.results
    mine = rows[(rows["cell"] == cell.path.name) & (rows["metric"] == "tar")]
    at = mine.loc[(mine["fmr"] - run.headline_fmr).abs() < 1e-12, "threshold"]
    return float(at.iloc[0]) if len(at) and not pd.isna(at.iloc[0]) else float("nan")


def by_system(scores: list[Scores]) -> list[tuple[tuple[str, str], list[Scores]]]:
    """(data set, recogniser) and its defences."""
    keys = dict.fromkeys(part.system for part in scores)
    return [(key, [part for part in scores if part.system == key]) for key in keys]
