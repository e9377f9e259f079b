"""Labeled Faces in the Wild, aligned to the five-point template at 112x112, with its ten identity-disjoint folds.

Huang, Ramesh, Berg, Learned-Miller, UMass Amherst TR 07-49, 2007. Read from zips of ``Name/Name_0001.jpg`` beside
``lfw112.csv`` (file, identity, identity_fold, ...) and ``lfw_pairs.txt`` (official View 2).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from ..bench.core.errors import DataError
from ..bench.core.paths import expand
from ..bench.core.registry import register_dataset
from .base import DataSettings
from .folder import FolderDataset
from .pairs import read_pairs


@dataclass(frozen=True)
class LfwSettings(DataSettings):
    """Where the set is, and how much of it is read."""

    size: int = 112  # side in pixels
    root: str = "${FACELEAK_DATA}/faces"  # folder with the zips, the csv and the pairs
    parts: str = "core+rest"  # "core": the images of the official pairs; "core+rest": all 13,233
    # Path of the landmark model, ${FACELEAK_DATA}/aux/landmarks5_retail0009.onnx; empty: landmarks are not known.
    landmarks: str = ""


@register_dataset("lfw")
class Lfw(FolderDataset):
    """Groups are the official folds ``0`` .. ``9``, ``-1`` for identities in none."""

    licence = "research use; copyright with the news agencies"
    paper = "Huang et al., UMass TR 07-49, 2007"
    caveats = (
        "LFW: news photographs of 2002-2004, without the consent of the persons; about three men to one woman, mostly "
        "lighter-skinned adults.",
        "LFW: the recognisers may have seen these celebrities in training; accuracies check the pipeline, they are no "
        "claim.",
    )
    Settings: ClassVar[type] = LfwSettings
    settings: LfwSettings  # type: ignore[assignment]

    def _root(self) -> Path:
        return Path(expand(self.settings.root))

    def sources(self) -> list[Path]:
        root = self._root()
        if self.settings.parts not in ("core", "core+rest"):
            raise DataError(f"lfw: parts must be 'core' or 'core+rest', got {self.settings.parts!r}.")
        found = [root / f"lfw112_{part}.zip" for part in self.settings.parts.split("+")]
        for file in [*found, root / "lfw112.csv"]:
            if not file.is_file():
                raise DataError(
                    f"lfw: {file} does not exist; set dataset.settings.root to the folder that has it "
                    "(`faceleak prepare lfw` makes one)."
                )
        return found

    def _index(self) -> pd.DataFrame:
        table = super()._index().drop(columns="group")
        file = self._root() / "lfw112.csv"
        try:
            folds = pd.read_csv(file, dtype=str)[["file", "identity_fold"]]
            folds.columns = pd.Index(["sample", "group"])
            return table.merge(folds, on="sample", how="left", validate="one_to_one").fillna({"group": "-1"})
        except (ValueError, KeyError) as error:  # no table, other columns, a picture twice
            raise DataError(f"{file} does not say the fold of each picture once ({error}); get it anew.") from error

    def _key(self) -> dict[str, Any]:
        csv = self._root() / "lfw112.csv"
        return {**super()._key(), "csv": os.path.getsize(csv)}

    def _finder(self) -> None:
        """The zips hold aligned faces."""

    def pairs(self) -> pd.DataFrame | None:
        file = self._root() / "lfw_pairs.txt"
        return read_pairs(file, self.table) if file.is_file() else None
