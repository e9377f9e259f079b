"""A run folder that several processes write into, of which some may be killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from ..store.sweep import remove_lock, sweep_files, when_free


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Nobody else writes the tables meanwhile; what dead processes left unfinished is gone."""
    lock = FileLock(out / ".lock")
    with lock:
        try:
            sweep_files(out)
            for left in (out / "cells").glob(".*.lock"):
                when_free(left)
            yield
        finally:
            remove_lock(Path(lock.lock_file))
