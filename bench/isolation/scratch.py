"""A temporary folder that goes with its process, also when that is killed: whoever makes the next one sweeps."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
import weakref
from pathlib import Path

from filelock import FileLock

from ..store.sweep import remove_lock, when_free

_PREFIX = "faceleak-run-"


class Scratch:
    """A folder of this process's own in the system's temporary one.

    It stands beside a lock that this process holds from before it was made; a folder whose lock is free is nobody's.
    """

    def __init__(self) -> None:
        sweep_scratch()
        self.path = Path(tempfile.gettempdir()) / f"{_PREFIX}{uuid.uuid4().hex[:12]}"
        lock = FileLock(f"{self.path}.lock", thread_local=False)  # it may be let go of in any thread
        lock.acquire()
        self.path.mkdir(mode=0o700)
        self._gone = weakref.finalize(self, _remove, self.path, lock, os.getpid())

    def close(self) -> None:
        """Remove the folder."""
        self._gone()


def sweep_scratch() -> None:
    """Remove the folders of processes that are dead; those of other users are left alone."""
    root = Path(tempfile.gettempdir())
    for lock in {*root.glob(f"{_PREFIX}*.lock"), *(Path(f"{one}.lock") for one in root.glob(f"{_PREFIX}*/"))}:
        folder = lock.with_suffix("")
        with contextlib.suppress(OSError):
            when_free(lock, lambda folder=folder: shutil.rmtree(folder, ignore_errors=True))  # type: ignore[misc]


def _remove(path: Path, lock: FileLock, owner: int) -> None:
    if os.getpid() != owner:  # a fork of it
        return
    shutil.rmtree(path, ignore_errors=True)
    remove_lock(Path(lock.lock_file))
    lock.release()
