"""CelebA as torchvision lays it out: 202,599 pictures of 10,177 people, aligned here to the five-point template.

Liu, Luo, Wang, Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015, arXiv 1411.7766. Read from
``img_align_celeba/``, ``identity_CelebA.txt``, ``list_eval_partition.txt`` and ``list_landmarks_align_celeba.txt``. The
pictures (178x218) are aligned by the eyes only and show more than recognisers take; the landmarks are the set's own.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..bench.core.errors import DataError, InputError
from ..bench.core.paths import expand
from ..bench.core.registry import register_dataset
from .alignment import align
from .base import DataSettings, FaceDataset
from .pictures import open_picture

PICTURES = "img_align_celeba"
IDENTITIES, PARTITION = "identity_CelebA.txt", "list_eval_partition.txt"
LANDMARKS = "list_landmarks_align_celeba.txt"
PARTS = ("train", "valid", "test")  # what 0, 1 and 2 mean in the partition
_POINTS = [f"{point}_{axis}" for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy"]


@dataclass(frozen=True)
class CelebASettings(DataSettings):
    """Where the set is, and how much of it is read."""

    size: int = 112  # side in pixels
    root: str = ""  # the folder of the lists, or the one that has it as ``celeba``; ${VARIABLES} allowed
    parts: str = "train+valid+test"  # of the official partition, joined by +


@register_dataset("celeba")
class CelebA(FaceDataset):
    """Groups are the official partition: ``train``, ``valid``, ``test``."""

    licence = "non-commercial research; the pictures belong to others"
    paper = "Liu et al., ICCV 2015"
    people = "by identity_CelebA.txt"
    caveats = ("CelebA: pictures of celebrities from the web, without their consent; people by automatic labels.",)
    Settings: ClassVar[type] = CelebASettings
    settings: CelebASettings

    def _root(self) -> Path:
        if not self.settings.root:
            raise DataError(f"{self.name}: no root is given; set dataset.settings.root to the folder of CelebA.")
        root = Path(expand(self.settings.root))
        root = root / "celeba" if (root / "celeba").is_dir() else root
        for name in (PICTURES, IDENTITIES, PARTITION, LANDMARKS):
            if not (root / name).exists():
                raise DataError(f"{self.name}: {root / name} does not exist; lay the set out as torchvision does.")
        return root

    def _parts(self) -> list[str]:
        parts = self.settings.parts.split("+")
        if not set(parts) <= set(PARTS) or len(set(parts)) < len(parts):
            raise DataError(f"{self.name}: parts must be some of {'+'.join(PARTS)}, got {self.settings.parts!r}.")
        return parts

    def _key(self) -> dict[str, Any]:
        root, digest = self._root(), hashlib.sha256()
        for name in (IDENTITIES, PARTITION, LANDMARKS):
            digest.update((root / name).read_bytes())
        with os.scandir(root / PICTURES) as entries:
            stamps = sorted((item.name, item.stat().st_size, item.stat().st_mtime_ns) for item in entries)
        digest.update(repr(stamps).encode())
        parts = sorted(self._parts())
        return {
            "dataset": self.name, "files": digest.hexdigest(), "parts": parts, "size": self.settings.size, "version": 1
        }  # fmt: skip

    def _index(self) -> pd.DataFrame:
        root = self._root()
        table = _read_list(root / IDENTITIES, ["identity"], 0)
        for name, columns, skipped in ((PARTITION, ["part"], 0), (LANDMARKS, _POINTS, 2)):
            table = table.merge(_read_list(root / name, columns, skipped), on="sample", how="left")
            missing = table["sample"][table[columns[0]].isna()]
            if len(missing):
                raise DataError(f"{root / name} says nothing of {missing.iloc[0]}; get it whole.")
        wanted = [PARTS.index(part) for part in self._parts()]
        strange = set(table["part"]) - set(range(len(PARTS)))
        if strange:
            raise DataError(f"{root / PARTITION} has a part {int(strange.pop())}; expected 0, 1 and 2.")
        table = table[table["part"].isin(wanted)].sort_values("sample")
        return table.assign(
            identity=[f"{number:05d}" for number in table["identity"]],
            group=[PARTS[int(part)] for part in table["part"]],
        ).drop(columns="part")

    def _read(self, table: pd.DataFrame) -> Iterator[np.ndarray | str]:
        pictures = self._root() / PICTURES
        points = table[_POINTS].to_numpy(np.float64).reshape(-1, 5, 2)
        for name, found in zip(table["sample"], points, strict=True):
            try:
                picture = open_picture((pictures / name).read_bytes())
                yield picture if isinstance(picture, str) else align(picture, found, self.settings.size)
            except (OSError, InputError) as error:  # no such picture; points on one another
                yield f"{type(error).__name__}: {error}"


def _read_list(file: Path, columns: list[str], skipped: int) -> pd.DataFrame:
    """A list of CelebA: picture, then one whole number for each of ``columns``.

    Raises:
        DataError: a line has other fields, or a picture stands twice.
    """
    names = ["sample", *columns]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of a line with more fields, which it would cut
            table = pd.read_csv(
                file, sep=r"\s+", header=None, names=names, skiprows=skipped, index_col=False, dtype={"sample": str}
            )
        table = table.astype(dict.fromkeys(columns, np.int64))
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
        raise DataError(
            f"{file}: expected a picture and {len(columns)} whole numbers in each line ({error})."
        ) from error
    twice = table["sample"][table["sample"].duplicated()]
    if len(twice):
        raise DataError(f"{file}: {twice.iloc[0]} stands there twice; get the list anew.")
    return table
