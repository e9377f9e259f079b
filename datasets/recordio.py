"""Training sets in MXNet's RecordIO format, as insightface publishes them: ``train.rec``, ``train.idx``, ``train.lst``.

Read without mxnet. A record is: magic 0xCED7230A, then 3 bits that say whether it is whole (0) or the first (1), a
middle (2) or the last (3) part of one that contains the magic itself, and 29 bits of length, then the data, padded to
four bytes. A picture's data is: flag, label (float32), id, id2 (24 bytes, little endian), then ``flag`` more float32
labels where flag > 0, then the encoded picture. Record 0 of insightface's sets is no picture: it says how many follow.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import pandas as pd

from ..bench.core.errors import DataError
from ..bench.core.paths import expand
from ..bench.core.registry import register_dataset
from .base import DataSettings, FaceDataset
from .inventory import Inventory
from .pictures import read_picture
from .text import number, read_text

MAGIC = 0xCED7230A
_HEADER = struct.Struct("<IfQQ")
_FRAME = struct.Struct("<II")


@dataclass(frozen=True)
class RecordIoSettings(DataSettings):
    """Where the files are, and how much of them is read."""

    size: int = 112  # side in pixels
    path: str = ""  # train.rec, ${VARIABLES} allowed; train.idx lies beside it
    identities: int = 0  # only the first so many people; 0 = all
    licence: str = "unknown"  # printed with the results


@register_dataset("recordio")
class RecordIo(FaceDataset):
    """Pictures of a ``.rec`` file, people by their labels."""

    people = "by the labels of the records"

    Settings: ClassVar[type] = RecordIoSettings
    settings: RecordIoSettings

    def _files(self) -> tuple[Path, Path]:
        if not self.settings.path:
            raise DataError(f"{self.name}: no path is given; set dataset.settings.path to a .rec file.")
        record = Path(expand(self.settings.path))
        index = record.with_suffix(".idx")
        for file in (record, index):
            if not file.is_file():
                raise DataError(f"{self.name}: {file} does not exist; a .rec file and its .idx must lie side by side.")
        return record, index

    def _key(self) -> dict[str, Any]:
        record, index = self._files()
        status = record.stat()
        return {
            "dataset": self.name,
            "idx": hashlib.sha256(index.read_bytes()).hexdigest(),
            "bytes": status.st_size,
            "stamp": status.st_mtime_ns,
            "size": self.settings.size,
            "identities": self.settings.identities,
            "version": 1,
        }

    def seen(self) -> Inventory:
        """The lines of the index: labels stand in the records, which are read when the set is."""
        return Inventory(len(read_index(self._files()[1])), 0, self.people)

    def _index(self) -> pd.DataFrame:
        record, index = self._files()
        rows = []
        people: set[int] = set()
        with record.open("rb") as opened:
            for key, offset in sorted(read_index(index)):
                place = f"{record}, record {key}"
                label, data = unpack(read_record(opened, offset, place), place)
                if data is None:  # what tells how many pictures there are, and where each person's begin
                    continue
                people.add(label)
                if self.settings.identities and len(people) > self.settings.identities:
                    break
                rows.append({"sample": f"{key:09d}", "identity": f"{label:07d}", "group": "", "offset": offset})
        return pd.DataFrame(rows, columns=["sample", "identity", "group", "offset"])

    def _read(self, table: pd.DataFrame) -> Iterator[np.ndarray | str]:
        record, _ = self._files()
        with record.open("rb") as opened:
            for offset, name in zip(table["offset"], table["sample"], strict=True):
                place = f"{record}, {name}"
                yield read_picture(unpack(read_record(opened, int(offset), place), place)[1] or b"", self.settings.size)


def read_index(file: Path) -> list[tuple[int, int]]:
    """(key, byte offset) of every record.

    Raises:
        DataError: a line is not two whole numbers.
    """
    found = []
    keys: set[int] = set()
    for count, line in enumerate(read_text(file).splitlines()):
        fields = line.split()
        if not fields:
            continue
        values = [number(field) for field in fields]
        if len(values) != 2 or values[0] is None or values[1] is None:
            raise DataError(f"{file}, line {count + 1}: expected 'key offset', got {line[:60]!r}.")
        if values[0] in keys:
            raise DataError(f"{file}, line {count + 1}: key {values[0]} stands there twice; get the index anew.")
        keys.add(values[0])
        found.append((values[0], values[1]))
    return found


def read_record(opened: BinaryIO, offset: int, place: str) -> bytes:
    """The data of the record that begins at ``offset``, its parts put together.

    Raises:
        DataError: no record begins there, or the file ends within it.
    """
    opened.seek(offset)
    parts: list[bytes] = []
    while True:
        frame = opened.read(_FRAME.size)
        if len(frame) < _FRAME.size or _FRAME.unpack(frame)[0] != MAGIC:
            raise DataError(
                f"{place}: no record begins at byte {offset}; the .rec and the .idx do not belong together."
            )
        word = _FRAME.unpack(frame)[1]
        kind, length = word >> 29, word & ((1 << 29) - 1)
        if kind > 3 or (kind in (2, 3)) != bool(parts):
            raise DataError(f"{place}: its parts do not follow one another; get the .rec anew.")
        data = opened.read(length)
        if len(data) < length:
            raise DataError(f"{place}: the file ends within the record; get it whole.")
        opened.read(-length % 4)
        parts.append(data)
        if kind in (0, 3):
            return struct.pack("<I", MAGIC).join(parts)


def unpack(data: bytes, place: str = "A record") -> tuple[int, bytes | None]:
    """A record's label and its encoded picture; None for one that describes the set.

    Raises:
        DataError: too short for its header, or a label that is no person's number.
    """
    if len(data) < _HEADER.size:
        raise DataError(f"{place} of {len(data)} bytes is too short for a picture's header of {_HEADER.size}.")
    flag, label, _, _ = _HEADER.unpack_from(data)
    rest = data[_HEADER.size :]
    if 4 * flag > len(rest):
        raise DataError(f"{place} says that it has {flag} labels and holds {len(rest)} bytes; get the .rec anew.")
    if flag and len(rest) == 4 * flag:  # numbers of records, not of a person
        return 0, None
    first = float(np.frombuffer(rest[:4], "<f4")[0]) if flag else float(label)
    # Above 2^24 a float32 gives neighbours one number, and people would become one.
    if not (0 <= first < 1 << 24) or first != int(first):
        raise DataError(f"{place} has the label {first}, which is no person's number; whole ones from 0 are expected.")
    return int(first), rest[4 * flag :]
