"""Folders of faces, one folder per identity, or zips of them; optionally ``pairs.txt`` beside them.

The pictures are aligned faces, or are aligned here: crops of faces, or whole photographs (``alignment.py``).
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch

from ..bench.core.anatomy import Anatomy
from ..bench.core.errors import DataError
from ..bench.core.paths import expand
from ..bench.core.registry import register_dataset
from .alignment import FIVE, Aligner, CropFinder, Finder
from .base import DataSettings, FaceDataset
from .files import Found, pictures_in
from .inventory import Inventory
from .pairs import read_pairs
from .people import people, without_top
from .pictures import read_picture
from .yunet import photograph_finder


@dataclass(frozen=True)
class FolderSettings(DataSettings):
    """Where the faces are."""

    path: str = ""  # folder or zip, ${VARIABLES} allowed; several separated by the path separator
    pairs: str = ""  # pairs file in LFW's format or a CSV, optional
    person: int = 0  # folder that names the person: 1 the outermost, -1 the one with the picture, 0 the clear one
    licence: str = "unknown"  # printed with the results
    align: Literal["none", "crops", "photographs"] = "none"  # what the pictures are: aligned, cut out, or whole
    # Path of the landmark model; given, the pictures' landmarks are known.
    # Crops need one, and YuNet's points are finer with it: where empty, it is looked for in FACELEAK_WEIGHTS and
    # FACELEAK_DATA.
    landmarks: str = ""
    # Photographs: insightface:NAME or the path of a pack, yunet or the path of its .onnx; auto: buffalo_l, else yunet.
    detector: str = "auto"


@register_dataset("folder")
class FolderDataset(FaceDataset):
    """``identity/image.jpg`` below a folder or inside a zip: aligned and square, or aligned here.

    A top folder that all pictures share is left out of their names: a zip as published is the set that it holds.
    """

    named: ClassVar[bool] = True
    Settings: ClassVar[type] = FolderSettings
    settings: FolderSettings

    def sources(self) -> list[Path]:
        """The folders and zips.

        Raises:
            DataError: one does not exist.
        """
        if not self.settings.path:
            raise DataError(f"{self.name}: no path is given; set dataset.settings.path to a folder or a zip.")
        found = [Path(part) for part in expand(self.settings.path).split(os.pathsep)]
        for source in found:
            if not source.exists():
                raise DataError(f"{self.name}: {source} does not exist; give a folder of identity folders or a zip.")
        return found

    @cached_property
    def _listing(self) -> tuple[pd.DataFrame, Inventory]:
        """The table (``file`` is the name in ``source``), and the account of how it came about."""
        found: list[tuple[Found, int]] = []
        passed: dict[str, str] = {}
        for source in self.sources():
            pictures, others = pictures_in(source)
            top = without_top([_way(one) for one in pictures])
            found += [(one, top) for one in pictures]
            passed |= others
        loose = next((one for one, _ in found if not _way(one)), None)
        if loose:
            raise DataError(
                f"{self.name}: {loose.file} lies directly in {loose.source}; put each person's pictures in a folder of "
                "its own."
            )
        level = getattr(self.settings, "person", 0)
        who, how = people([_way(one) for one, _ in found], [top for _, top in found], level, self.name)
        names = ["/".join(one.name.split("/")[top:]) for one, top in found]
        rows = [(one.file, str(one.source), one.size, one.stamp) for one, _ in found]
        table = pd.DataFrame(rows, columns=["file", "source", "size", "stamp"])
        table = table.assign(sample=pd.Series(names, dtype=object), identity=pd.Series(who, dtype=object), group="")
        inventory = Inventory(len(table), len(set(who)), how, passed, notes=_several(table))
        return table, inventory

    def seen(self) -> Inventory:
        """What the listing of the files says."""
        return self._listing[1]

    def _key(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        for row in self._listing[0].itertuples():
            place = Path(str(row.source)).name
            digest.update(f"{place}\t{row.file}\t{row.identity}\t{row.size}\t{row.stamp}\n".encode("utf-8", "replace"))
        finder = self._finder()
        how = {"aligned": finder.key()} if finder else {}
        return {"dataset": self.name, "files": digest.hexdigest(), "size": self.settings.size, "version": 2, **how}

    def _finder(self) -> Finder | None:
        """What finds the faces; None where the pictures are aligned."""
        if self.settings.align == "crops":
            return CropFinder(self.settings.landmarks, self.name)
        if self.settings.align == "photographs":
            return photograph_finder(self.settings.detector, self.settings.landmarks, self.name)
        return None

    @cached_property
    def _landmarks(self) -> CropFinder:
        """What finds the points of faces that are aligned already."""
        return CropFinder(self.settings.landmarks, self.name)

    def knows(self) -> dict[str, Any]:
        """The landmark model, where there is one."""
        return {"landmarks": self._landmarks.key()} if self.settings.landmarks else {}

    def anatomy(self, index: np.ndarray) -> Anatomy | None:
        """Five landmarks of each picture as the model at ``settings.landmarks`` sees them; None without its path.

        Raises:
            InputError: there is no such model.
        """
        if not self.settings.landmarks:
            return None
        points = self._landmarks.of_aligned(self._pixels[np.asarray(index)])
        return Anatomy(torch.from_numpy(points).float(), FIVE)

    def _index(self) -> pd.DataFrame:
        table = self._listing[0]
        twice = table["sample"][table["sample"].duplicated()]
        if len(twice):
            raise DataError(f"{self.name}: {twice.iloc[0]} occurs in several sources; give each picture once.")
        return table[["sample", "identity", "group", "source", "file"]].copy()

    def _read(self, table: pd.DataFrame) -> Iterator[np.ndarray | str]:
        archives: dict[str, zipfile.ZipFile] = {}
        finder = self._finder()
        aligner = Aligner(finder, self.settings.size) if finder else None
        sizes = self._listing[0].set_index(["source", "file"])["size"]
        try:
            for source, file in zip(table["source"], table["file"], strict=True):
                if source not in archives and not Path(source).is_dir():
                    archives[source] = zipfile.ZipFile(source)
                data = Found(Path(source), file, int(sizes[source, file]), 0).read(archives.get(source))
                if isinstance(data, str):
                    yield data
                else:
                    yield aligner(data) if aligner else read_picture(data, self.settings.size)
        finally:
            for archive in archives.values():
                archive.close()

    def pairs(self) -> pd.DataFrame | None:
        """The pairs file's pairs; without those that need a picture that was left out."""
        if not self.settings.pairs:
            return None
        file = Path(expand(self.settings.pairs))
        if not file.is_file():
            raise DataError(f"{self.name}: pairs file {file} does not exist; correct the path or leave it out.")
        pairs = read_pairs(file, pd.concat([self.table[["sample"]], self.left_out[["sample"]]]))
        gone = pairs[["a", "b"]].isin(set(self.left_out["sample"])).any(axis=1)
        return pairs[~gone].reset_index(drop=True)


def _way(one: Found) -> tuple[str, ...]:
    """The folders on the way to a picture."""
    return PurePosixPath(one.name).parts[:-1]


def _several(table: pd.DataFrame) -> tuple[str, ...]:
    """People that several sources name alike count as one: worth a word, for numbers are not names."""
    shared = int((table.groupby("identity")["source"].nunique() > 1).sum())
    return (f"{shared} people stand in several sources and count as one each",) if shared else ()
