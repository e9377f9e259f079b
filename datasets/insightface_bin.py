"""Verification sets in insightface's ``.bin`` format: ``lfw.bin``, ``cfp_fp.bin``, ``agedb_30.bin`` and their like.

A ``.bin`` is a pickle of (encoded pictures, whether each pair is of one person). A pickle can run any program it names,
so it is read by an unpickler that builds lists, bytes, numbers and numpy arrays and refuses everything else.

The format knows pairs, not people. Pictures that a genuine pair joins, and pictures of equal bytes, count as one
person, all others as different ones; someone may therefore stand under several names, which makes impostors of some
genuine pairs. Good for accuracy on the official pairs; for victims, prefer a set that knows its people.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import DisjointSet

from ..bench.core.errors import DataError
from ..bench.core.paths import expand
from ..bench.core.registry import register_dataset
from .base import DataSettings, FaceDataset
from .pictures import read_picture

FOLDS = 10

# All that a verification set can need. ``_codecs.encode`` is how Python 2's strings travel.
_ALLOWED = {
    ("numpy", "ndarray"), ("numpy", "dtype"), ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"), ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"), ("_codecs", "encode"),
}  # fmt: skip


# What a pickle that is damaged, or none, raises.
_DAMAGE = (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError, OSError)


class _Reader(pickle.Unpickler):
    """Builds plain data; a name outside the list stops the reading before anything is called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise DataError(f"it asks for {module}.{name}, which no set of pictures needs")
        return super().find_class(module, name)


@dataclass(frozen=True)
class InsightfaceBinSettings(DataSettings):
    """Where the file is."""

    size: int = 112  # side in pixels
    path: str = ""  # the .bin file, ${VARIABLES} allowed
    licence: str = "unknown"  # printed with the results


@register_dataset("insightface-bin")
class InsightfaceBin(FaceDataset):
    """Official pairs of a ``.bin`` file; people are what its genuine pairs join."""

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
        DataError: not such a pickle, one that asks for more than plain data, or counts that do not fit.
    """
    try:
        with file.open("rb") as opened:
            content = _Reader(opened, encoding="bytes").load()
    except DataError as error:
        raise DataError(
            f"{file} was not read: {error}. It may be malicious; get it from where it was published."
        ) from None
    except _DAMAGE as error:
        raise DataError(f"{file} is no verification set ({type(error).__name__}: {error}); get it anew.") from error
    if not isinstance(content, (tuple, list)) or len(content) != 2:
        raise DataError(f"{file} holds a {type(content).__name__}, not (pictures, same); is it another kind of .bin?")
    pictures = [one.tobytes() if isinstance(one, np.ndarray) else one for one in content[0]]
    same = [bool(one) for one in content[1]]
    if not all(isinstance(one, bytes) for one in pictures) or len(pictures) != 2 * len(same) or not same:
        raise DataError(
            f"{file} holds {len(pictures)} pictures for {len(same)} pairs; two encoded pictures per pair are expected."
        )
    return pictures, same
