"""A data set: aligned face images with identities, decoded once and memory-mapped."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..bench.core.anatomy import Anatomy
from ..bench.core.attributes import Attributes
from ..bench.core.code import code_of
from ..bench.core.errors import DataError, InputError
from ..bench.core.plugin import Plugin
from ..bench.core.progress import Progress
from .inventory import Inventory
from .labels import read_labels
from .pictures import LeftOut

# kind, what identifies the artefact, a function that writes it into a folder -> the finished folder
Cache = Callable[[str, Mapping[str, Any], Callable[[Path], None]], Path]
Corrupt = Literal["refuse", "skip"]


@dataclass(frozen=True)
class LoadContext:
    """What a data set is loaded with."""

    cache: Cache
    progress: Progress


@dataclass(frozen=True)
class DataSettings:
    """Common to all data sets."""

    size: int = 64  # side in pixels
    on_corrupt: Corrupt = "refuse"  # what a picture that cannot be read does
    labels: str = ""  # CSV of attributes: a row for each picture or person, a column for each attribute


class FaceDataset(Plugin, ABC):
    """Base class. A subclass writes ``_index`` (what there is), ``_key`` (what identifies it) and ``_read``.

    Attributes:
        table: one row per readable image: ``sample`` (unique name), ``identity``, ``group`` (a fold, or empty),
            ``sha`` (of its pixels), and whatever else the subclass knows.
        corrupt: one row per unreadable image: ``sample``, ``reason``.
        left_out: as ``corrupt``, for images that can be read but not used.
        inventory: what was seen, read, passed over and why, and how people were told apart.
        caveats: sentences that must be printed with any result.
    """

    licence: ClassVar[str] = ""
    people: ClassVar[str] = ""  # how people are told apart, in words
    named: ClassVar[bool] = False  # whether people are called by their names, which mean the same in other sets
    caveats: tuple[str, ...] = ()
    Settings: ClassVar[type] = DataSettings
    settings: Any
    table: pd.DataFrame
    corrupt: pd.DataFrame
    left_out: pd.DataFrame
    inventory: Inventory

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self.configure(values)

    def load(self, context: LoadContext) -> FaceDataset:
        """Read the index, decode every image once into the cache, and map it.

        Raises:
            DataError: nothing there, or corrupt images where the settings refuse them; all are named.
            InputError: more than half of the images that can be read had to be left out.
        """
        made_from = {"of": self._key(), "code": code_of(type(self))}
        folder = context.cache("pixels", made_from, lambda path: self._decode(path, context.progress))
        self.table = pd.read_parquet(folder / "table.parquet")
        self.corrupt = pd.read_parquet(folder / "corrupt.parquet")
        self._pixels = np.load(folder / "pixels.npy", mmap_mode="r")
        if len(self.corrupt) and self.settings.on_corrupt == "refuse":
            named = "; ".join(f"{row.sample}: {row.reason}" for row in self.corrupt.head(5).itertuples())
            more = f" and {len(self.corrupt) - 5} more" if len(self.corrupt) > 5 else ""
            raise DataError(
                f"{self.name}: {len(self.corrupt)} of {len(self.corrupt) + len(self.table)} images cannot be read "
                f"({named}{more}); repair them or set on_corrupt = 'skip'."
            )
        self._count_left_out(folder / "left_out.parquet", context.progress)
        self._take_stock(context.progress)
        return self

    def seen(self) -> Inventory:
        """What can be said of the set before a picture is decoded.

        Raises:
            DataError: nothing there, or files that do not belong together.
        """
        table = self._index()
        return Inventory(len(table), int(table["identity"].nunique()), self.people)

    def _take_stock(self, progress: Progress) -> None:
        """The account of what was read: in the log, in ``inventory``; what was passed over stands with every result."""
        lost = [zip(part["sample"], part["reason"], strict=True) for part in (self.corrupt, self.left_out)]
        before = self.seen() if type(self).seen is not FaceDataset.seen else Inventory(people=self.people)
        self.inventory = before.after(int(self.table["identity"].nunique()), len(self.table), lost[0], lost[1])
        if not len(self.table):
            named = f" {self.inventory.sentence()}" if self.inventory.passed else ""
            raise DataError(f"{self.name}: no readable image was found; check the path and the file types.{named}")
        progress.say(f"{self.name}: {self.inventory.sentence()}")

    def _count_left_out(self, file: Path, progress: Progress) -> None:
        """Say how many images were left out, here and with every result."""
        self.left_out = pd.read_parquet(file) if file.is_file() else self.corrupt.head(0)
        count, total = len(self.left_out), len(self.left_out) + len(self.table)
        if not count:
            return
        seen = f"{self.name}: {count} of {total} pictures were left out"
        sample, reason = self.left_out[["sample", "reason"]].iloc[0]
        if 2 * count > total:
            raise InputError(
                f"{seen} (first {sample}: {reason}); look at a few of them, and at the setting align: 'crops' expects "
                "one upright face in each picture, 'photographs' whole photographs."
            )
        progress.say(f"{seen} (first {sample}: {reason}).")
        self.caveats = (*type(self).caveats, f"{seen}: {reason}.")  # no names: results are published

    def images(self, index: np.ndarray) -> Tensor:
        """(B, 3, size, size) float32 RGB [0, 1] of the rows at ``index``."""
        return torch.from_numpy(np.ascontiguousarray(self._pixels[np.asarray(index)])).float() / 255

    def pairs(self) -> pd.DataFrame | None:
        """Official verification pairs: columns ``a``, ``b`` (sample names), ``same`` (bool), ``fold``; or None."""
        return None

    def attributes(self, index: np.ndarray) -> Attributes | None:
        """What is known of the rows at ``index``: the label file's columns, or None without one.

        Raises:
            DataError: the label file cannot be read, or misses one of the rows.
        """
        return read_labels(self.settings.labels, self.table.iloc[index]) if self.settings.labels else None

    def anatomy(self, index: np.ndarray) -> Anatomy | None:
        """Landmarks, parts and captions of the rows at ``index``, or None where the source knows none."""
        return None

    def knows(self) -> dict[str, Any]:
        """What the answers of ``anatomy`` follow from besides the pictures; empty where it has none."""
        return {} if type(self).anatomy is FaceDataset.anatomy else self.describe()

    @property
    def sha(self) -> str:
        """Hash of all names, identities and pixels."""
        text = "\n".join(self.table["sample"] + "\t" + self.table["identity"] + "\t" + self.table["sha"])
        return hashlib.sha256(text.encode()).hexdigest()

    @abstractmethod
    def _key(self) -> dict[str, Any]:
        """What identifies the decoded pixels: files, sizes, settings that matter."""

    @abstractmethod
    def _index(self) -> pd.DataFrame:
        """All images: at least ``sample``, ``identity``, ``group``."""

    @abstractmethod
    def _read(self, table: pd.DataFrame) -> Iterator[np.ndarray | str]:
        """For each row in order: (3, size, size) uint8 RGB, or the reason why it cannot be read, or a ``LeftOut``."""

    def _decode(self, folder: Path, progress: Progress) -> None:
        table = self._index().reset_index(drop=True)
        side = self.settings.size
        keep: list[int] = []
        shas: list[str] = []
        bad: list[dict[str, str]] = []
        unused: list[dict[str, str]] = []
        pixels = np.lib.format.open_memmap(
            folder / "pixels.npy", mode="w+", dtype=np.uint8, shape=(max(1, len(table)), 3, side, side)
        )
        rows = progress.track(self._read(table), len(table), f"reading {self.name}")
        for position, picture in enumerate(rows):
            if isinstance(picture, str):
                (unused if isinstance(picture, LeftOut) else bad).append(
                    {"sample": table["sample"][position], "reason": picture}
                )
                continue
            pixels[len(keep)] = picture
            keep.append(position)
            shas.append(hashlib.sha256(picture.tobytes()).hexdigest()[:24])
        pixels.flush()
        kept = table.iloc[keep].reset_index(drop=True).assign(sha=shas)
        kept.to_parquet(folder / "table.parquet")
        pd.DataFrame(bad, columns=["sample", "reason"]).astype(str).to_parquet(folder / "corrupt.parquet")
        pd.DataFrame(unused, columns=["sample", "reason"]).astype(str).to_parquet(folder / "left_out.parquet")
