"""Verification sets in insightface's ``.bin`` format: ``lfw.bin``, ``cfp_fp.bin``, ``agedb_30.bin`` and their like.

A ``.bin`` is a pickle of (encoded pictures, whether each pair is of one person); ``plain_pickle.py`` reads it.

The format knows pairs, not people. Pictures that a genuine pair joins, and pictures of equal bytes, count as one
person, all others as different ones; someone may therefore stand under several names, which makes impostors of some
genuine pairs. Good for accuracy on the official pairs; for victims, prefer a set that knows its people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..bench.core.errors import DataError
from ..bench.core.paths import expand
from ..bench.core.registry import register_dataset
from .base import DataSettings, FaceDataset
from .pictures import read_picture
from .plain_pickle import load_plain

FOLDS = 10


@dataclass(frozen=True)
class InsightfaceBinSettings(DataSettings):
    """Where the file is."""

    size: int = 112  # side in pixels
    path: str = ""  # the .bin file, ${VARIABLES} allowed
    licence: str = "unknown"  # printed with the results


@register_dataset("insightface-bin")
class InsightfaceBin(FaceDataset):
    """Official pairs of a ``.bin`` file; people are what its genuine pairs join."""

    people = "pictures that a genuine pair joins, or of equal bytes, are one person's"
    caveats = ("insightface-bin: the format knows pairs, not people; one person may stand under several names.",)
    Settings: ClassVar[type] = InsightfaceBinSettings
    settings: InsightfaceBinSettings
    _content: tuple[list[bytes], list[bool]] | None = None

    def _file(self) -> Path:
        if not self.settings.path:
            raise DataError(f"{self.name}: no path is given; set dataset.settings.path to a .bin file.")
        file = Path(expand(self.settings.path))
        if not file.is_file():
            raise DataError(f"{self.name}: {file} does not exist; set dataset.settings.path to a .bin file.")
        return file

    def _key(self) -> dict[str, Any]:
        file, digest = self._file(), hashlib.sha256()
        with file.open("rb") as opened:
            for block in iter(lambda: opened.read(1 << 20), b""):
                digest.update(block)
        return {"dataset": self.name, "file": digest.hexdigest(), "size": self.settings.size, "version": 1}

    def _read_file(self) -> tuple[list[bytes], list[bool]]:
        if self._content is None:
            self._content = read_bin(self._file())
        return self._content

    def _index(self) -> pd.DataFrame:
        from scipy.cluster.hierarchy import DisjointSet  # takes a fifth of a second, which `doctor` need not wait

        pictures, same = self._read_file()
        people = DisjointSet(range(len(pictures)))
        first: dict[bytes, int] = {}
        for position, data in enumerate(pictures):
            people.merge(first.setdefault(hashlib.sha256(data).digest(), position), position)
        for pair, joined in enumerate(same):
            if joined:
                people.merge(2 * pair, 2 * pair + 1)
        return pd.DataFrame(
            {
                "sample": [f"pair{i // 2:06d}{'ab'[i % 2]}" for i in range(len(pictures))],
                "identity": [f"person{people[i]:06d}" for i in range(len(pictures))],
                "group": "",
            }
        )

    def _read(self, table: pd.DataFrame) -> Iterator[np.ndarray | str]:
        for data in self._read_file()[0]:
            yield read_picture(data, self.settings.size)

    def pairs(self) -> pd.DataFrame:
        """The file's own pairs, in ten folds in the order of the file."""
        same = self._read_file()[1]
        count = len(same)
        return pd.DataFrame(
            {
                "a": [f"pair{i:06d}a" for i in range(count)],
                "b": [f"pair{i:06d}b" for i in range(count)],
                "same": same,
                "fold": [i * FOLDS // count for i in range(count)],
            }
        )


def read_bin(file: Path) -> tuple[list[bytes], list[bool]]:
    """Encoded pictures, two in a row per pair, and whether each pair is of one person.

    Raises:
        DataError: not such a pickle, one that asks for more than plain data, counts that do not fit, or labels that are
            neither 0 and 1 nor -1 and 1.
    """
    content = load_plain(file)
    if not isinstance(content, (tuple, list)) or len(content) != 2:
        raise DataError(f"{file} holds a {type(content).__name__}, not (pictures, same); is it another kind of .bin?")
    pictures = [_encoded(one, f"{file}, picture {i + 1}") for i, one in enumerate(_sequence(content[0], file))]
    same = _same(_sequence(content[1], file), file)
    if len(pictures) != 2 * len(same) or not same:
        raise DataError(
            f"{file} holds {len(pictures)} pictures for {len(same)} pairs; two encoded pictures per pair are expected."
        )
    return pictures, same


def _sequence(part: Any, file: Path) -> Any:
    if isinstance(part, (list, tuple)) or (isinstance(part, np.ndarray) and part.ndim >= 1):
        return part
    raise DataError(f"{file} holds a {type(part).__name__} where a list is expected; is it another kind of .bin?")


def _encoded(one: Any, place: str) -> bytes:
    """The bytes of an encoded picture: bytes, a bytearray, or an array as OpenCV's imencode gives."""
    if isinstance(one, (bytes, bytearray)):
        return bytes(one)
    if isinstance(one, np.ndarray) and one.dtype in (np.uint8, np.int8) and one.size == max(one.shape, default=0):
        return one.tobytes()
    seen = f"an array of shape {one.shape}, {one.dtype}" if isinstance(one, np.ndarray) else f"a {type(one).__name__}"
    raise DataError(f"{place} is {seen}, not the bytes of an encoded picture; write JPEG or PNG files into the list.")


def _same(labels: Any, file: Path) -> list[bool]:
    """1 or True: one person; 0, False or -1: two."""
    values = []
    for i, label in enumerate(labels):
        number = label.item() if isinstance(label, np.generic | np.ndarray) and label.size == 1 else label
        if not isinstance(number, bool | int | float) or number not in (0, 1, -1):
            seen = repr(number)[:40] if isinstance(number, bool | float | str | bytes) else f"a {type(number).__name__}"
            raise DataError(f"{file}: label {i + 1} is {seen}; 1 (one person) and 0 or -1 (two) are expected.")
        values.append(float(number))
    if {0.0, -1.0} <= set(values):
        raise DataError(f"{file}: labels are 0, -1 and others; 1 (one person) and 0, or 1 and -1, are expected.")
    return [value == 1 for value in values]
