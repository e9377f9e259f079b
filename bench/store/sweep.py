"""What processes that were killed left behind: half-made folders, temporary files, locks that nobody holds."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

_YOUNG_S = 3.0
UNFINISHED = "unfinished"  # folder of a store: what trainings that were killed go on from


def sweep(kind: Path) -> None:
    """Remove what dead processes left unfinished among artefacts of one kind."""
    names = {path.name.split(".")[1] for path in kind.glob(".*.*")} | {path.stem for path in kind.glob("*.lock")}
    for key in names:
        when_free(kind / f"{key}.lock", lambda key=key: sweep_one(kind / key))  # type: ignore[misc]


def sweep_one(final: Path) -> None:
    """What is left of unfinished makings of one artefact; the caller holds its lock."""
    for left in final.parent.glob(f".{final.name}.*"):
        shutil.rmtree(left, ignore_errors=True)


def sweep_all(root: Path) -> None:
    """Every kind below the root of a store."""
    for kind in root.glob("*/"):
        if kind.name != UNFINISHED:
            sweep(kind)
    for folder in (root / UNFINISHED).glob("*/"):
        kept, key = folder.name.rsplit("-", 1)
        if not (root / kept).is_dir():  # a search: no artefact, no lock; its cell clears it when it ends
            continue
        when_free(root / kept / f"{key}.lock", lambda folder=folder: _tidy(root, folder))  # type: ignore[misc]


def _tidy(root: Path, folder: Path) -> None:
    """Of an unfinished making: half-written files; all of it where the artefact has been made meanwhile."""
    kind, key = folder.name.rsplit("-", 1)
    for half in [folder] if (root / kind / key).is_dir() else folder.glob(".*"):
        shutil.rmtree(half) if half.is_dir() else half.unlink(missing_ok=True)


def sweep_files(folder: Path) -> None:
    """Remove the temporary files of ``durable.write_text`` (``.NAME.PID.tmp``) that dead processes left."""
    for left in folder.glob(".*.tmp"):
        number = left.name.split(".")[-2]
        with suppress(OSError):
            young = time.time() - left.stat().st_mtime < _YOUNG_S  # of a process on another machine
            if not young and not (number.isdecimal() and _lives(int(number))):
                left.unlink()


def _lives(number: int) -> bool:
    if os.name == "nt":  # there, asking ends the process
        return True
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def when_free(lock: Path, act: Callable[[], None] = lambda: None) -> bool:
    """Whether nobody holds ``lock``; if so ``act`` is done while it is held here, and the file is removed."""
    try:
        with FileLock(lock, timeout=0):
            act()
            remove_lock(lock)
    except Timeout:
        return False
    return True


def remove_lock(lock: Path) -> None:
    """While it is held. Somebody who waits for it gets the removed one, sees that, and takes a new one."""
    with suppress(OSError):  # Windows removes no open file
        lock.unlink()
