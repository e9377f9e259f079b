"""Folders of faces, one folder per identity, or zips of them; optionally ``pairs.txt`` beside them.

The pictures are aligned faces, or are aligned here: crops of faces, or whole photographs (``alignment.py``).
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
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
from .alignment import FIVE, Aligner, CropFinder, Finder, PhotographFinder
from .base import DataSettings, FaceDataset
from .pictures import SUFFIXES, read_picture


@dataclass(frozen=True)
class FolderSettings(DataSettings):
    """Where the faces are."""

    path: str = ""  # folder or zip, ${VARIABLES} allowed; several separated by the path separator
    pairs: str = ""  # pairs file in LFW's format, optional
    licence: str = "unknown"  # printed with the results
    align: Literal["none", "crops", "photographs"] = "none"  # what the pictures are: aligned, cut out, or whole
    # Path of the landmark model; given, the pictures' landmarks are known.
    # Crops need one: where empty, it is looked for in FACELEAK_WEIGHTS and FACELEAK_DATA.
    landmarks: str = ""
    detector: str = "insightface:buffalo_l"  # photographs: name or path of the pack whose detector is used


@register_dataset("folder")
class FolderDataset(FaceDataset):
    """``identity/image.jpg`` below a folder or inside a zip: aligned and square, or aligned here."""

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

    def _entries(self) -> Iterator[tuple[Path, str, int, int]]:
        """(source, name inside it, bytes, stamp) of every picture, sorted."""
        for source in self.sources():
            if source.is_dir():
                files = [file for file in source.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()]
                # By text as in a zip: paths compare by parts, and "al-b" and "al" would change places.
                for name in sorted(file.relative_to(source).as_posix() for file in files):
                    status = (source / name).stat()
                    yield source, name, status.st_size, status.st_mtime_ns
            else:
                try:
                    with zipfile.ZipFile(source) as archive:
                        for info in sorted(archive.infolist(), key=lambda item: item.filename):
                            if info.filename.lower().endswith(SUFFIXES):
                                yield source, info.filename, info.file_size, info.CRC
                except zipfile.BadZipFile as error:
                    raise DataError(f"{self.name}: {source} is not a zip file ({error}); download it again.") from error

    def _key(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        for source, name, size, stamp in self._entries():
            digest.update(f"{source.name}\t{name}\t{size}\t{stamp}\n".encode())
        finder = self._finder()
        how = {"aligned": finder.key()} if finder else {}
        return {"dataset": self.name, "files": digest.hexdigest(), "size": self.settings.size, "version": 1, **how}

    def _finder(self) -> Finder | None:
        """What finds the faces; None where the pictures are aligned."""
        if self.settings.align == "crops":
            return CropFinder(self.settings.landmarks, self.name)
        if self.settings.align == "photographs":
            return PhotographFinder(self.settings.detector, self.name)
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
        rows = []
        for source, name, _, _ in self._entries():
            identity = PurePosixPath(name).parent.name
            if not identity:
                raise DataError(
                    f"{self.name}: {name} lies directly in {source}; put each person's pictures in a folder of its own."
                )
            rows.append({"sample": name, "identity": identity, "group": "", "source": str(source)})
        table = pd.DataFrame(rows, columns=["sample", "identity", "group", "source"])
        twice = table["sample"][table["sample"].duplicated()]
        if len(twice):
            raise DataError(f"{self.name}: {twice.iloc[0]} occurs in several sources; give each picture once.")
        return table

    def _read(self, table: pd.DataFrame) -> Iterator[np.ndarray | str]:
        archives: dict[str, zipfile.ZipFile] = {}
        finder = self._finder()
        aligner = Aligner(finder, self.settings.size) if finder else None
        try:
            for source, name in zip(table["source"], table["sample"], strict=True):
                try:
                    if Path(source).is_dir():
                        data = (Path(source) / name).read_bytes()
                    else:
                        if source not in archives:
                            archives[source] = zipfile.ZipFile(source)
                        data = archives[source].read(name)
                except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:  # encrypted or unknown packing
                    yield f"{type(error).__name__}: {error}"
                    continue
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


def read_pairs(file: Path, table: pd.DataFrame) -> pd.DataFrame:
    """LFW's View 2 format: a line ``folds per_fold``, then per fold genuine lines ``name i j``, impostor lines
    ``name i name j``.

    Raises:
        DataError: a line does not parse, or names a picture that the set does not have, or lines are missing.
    """
    first, *lines = file.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    header = [int(part) for part in first.split() if part.isdecimal()]
    if len(header) != 2 or len(first.split()) != 2 or 0 in header:
        raise DataError(f"{file}: the first line must be 'folds pairs_per_fold', got {first!r}.")
    folds, per_fold = header
    by_stem = {PurePosixPath(name).with_suffix("").as_posix(): name for name in table["sample"]}
    rows = []
    for number, line in enumerate(line for line in lines if line.strip()):
        stems = _stems(line, f"{file}, pair {number + 1}")
        missing = [stem for stem in stems if stem not in by_stem]
        if missing:
            raise DataError(f"{file}, pair {number + 1}: the set has no picture {missing[0]}.")
        rows.append((by_stem[stems[0]], by_stem[stems[1]], len(line.split()) == 3, number // (2 * per_fold)))
    if len(rows) != 2 * folds * per_fold:
        raise DataError(f"{file} holds {len(rows)} pairs, the first line says {2 * folds * per_fold}; get it whole.")
    return pd.DataFrame(rows, columns=["a", "b", "same", "fold"])


def _stems(line: str, place: str) -> list[str]:
    """The two pictures of a line, ``name/name_0001``."""
    fields = line.split()
    if len(fields) == 3:
        names = [(fields[0], fields[1]), (fields[0], fields[2])]
    elif len(fields) == 4:
        names = [(fields[0], fields[1]), (fields[2], fields[3])]
    else:
        raise DataError(f"{place}: expected 3 or 4 fields, got {line!r}.")
    for _, number in names:
        if not number.isdecimal():
            raise DataError(f"{place}: {number!r} is not a picture's number in {line!r}.")
    return [f"{name}/{name}_{int(number):04d}" for name, number in names]
