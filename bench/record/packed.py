"""The evidence of a board in one file: what the cells of a run kept, beside tables that are shared without ``cells/``.

A tar in one xz stream. Cells keep many of the same arrays (calibration scores, people, names), so files of one name lie
next to each other and the window is large: what they share is stored once. Bytes follow from the files alone: sorted,
no owner, no time.
"""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

from ..core.archives import inflate, untape
from ..core.errors import FaceleakError
from .cell_files import PICTURES, SEALED, STATE, TRACE, read_state

EVIDENCE = "evidence.tar.xz"
LEFT_OUT = (PICTURES, TRACE)  # that a cell had and the evidence need not have
_PRESET = 9  # a window of 64 MiB


class EvidenceError(FaceleakError):
    """An archive that cannot be taken for the cells of a run."""


def pack(cells: Path, keys: Iterable[str], file: Path, *, pictures: bool) -> int:
    """Write the evidence of cells that have ended.

    Args:
        cells: the run's ``cells/``.
        keys: of the cells.
        file: the archive.
        pictures: with the recovered faces that the page shows.

    Returns:
        How many bytes went in.

    Raises:
        CellError: a cell's state cannot be read.
    """
    members = []
    for key in keys:
        sealed = {STATE, *(read_state(cells / key).get(SEALED) or ())} - {TRACE, *(() if pictures else [PICTURES])}
        members += [(file.name, key) for file in (cells / key).iterdir() if file.name in sealed and file.is_file()]
    total = 0
    with (
        lzma.open(file, "wb", preset=_PRESET) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tape,
    ):
        for name, key in sorted(members):
            source = cells / key / name
            info = tarfile.TarInfo(f"{key}/{name}")
            info.size = source.stat().st_size
            with source.open("rb") as opened:
                tape.addfile(info, opened)
            total += info.size
    return total


class Unpacked:
    """Evidence in a folder of its own, which goes when this object does."""

    def __init__(self, file: Path) -> None:
        """Unpack ``file``.

        Raises:
            EvidenceError: it is damaged, leads elsewhere, grows beyond its size, or holds what no cell has.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="faceleak-evidence-"))
        weakref.finalize(self, _remove, self.folder, os.getpid())
        try:
            tape = self.folder / "tape"
            inflate(file, tape)
            untape(tape, self.cells)
            tape.unlink()
            _check(self.cells)
        except (FaceleakError, OSError, EOFError, ValueError, lzma.LZMAError, tarfile.TarError) as error:
            _remove(self.folder, os.getpid())
            raise EvidenceError(f"{file} cannot be used: {str(error).rstrip('.') or type(error).__name__}.") from error

    @property
    def cells(self) -> Path:
        """As the ``cells/`` of a run."""
        return self.folder / "cells"


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not a fork of it
        shutil.rmtree(folder, ignore_errors=True)


def _check(cells: Path) -> None:
    """A folder for each cell, and in it plain files."""
    for path in sorted(cells.rglob("*")):
        depth = len(path.relative_to(cells).parts)
        if path.is_symlink() or depth > 2 or path.is_dir() != (depth == 1) or path.name.startswith("."):
            raise ValueError(f"its member {path.relative_to(cells).as_posix()[:200]!r} is no file of a cell")
