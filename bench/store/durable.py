"""Files that are there whole or not at all, also after a power cut: written beside, forced to disk, then renamed.

And how one knows that they still are: each file's hash, taken when it was written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

_WHOLE = 64 << 20  # bytes; of larger files only parts are hashed, or a run on many pictures would start seconds later
_PARTS, _PART = 64, 1 << 16  # how many parts, of how many bytes, evenly over the file


def write_text(file: Path, text: str) -> None:
    """Replace ``file`` by ``text`` in one step; nobody ever reads half of it."""
    write_whole(file, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))


def write_whole(file: Path, write: Callable[[Path], object], *, forced: bool = True) -> None:
    """Replace ``file`` in one step by what ``write`` makes of the path that it is given.

    Args:
        file: what is to be there.
        write: makes a file at a path beside it.
        forced: whether it is there after a power cut, too; of thousands of files that takes minutes.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        if forced:
            force(temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    if forced:
        force(file.parent)


def write_if_changed(file: Path, text: str) -> bool:
    """``write_text`` unless the file says just that already. Returns whether it was written."""
    if file.is_file() and file.read_bytes() == text.encode():
        return False
    write_text(file, text)
    return True


def force_all(folder: Path) -> None:
    """Force the files of a folder, then the folder itself to disk."""
    for path in sorted(folder.rglob("*"), reverse=True):
        force(path)
    force(folder)


def force(path: Path) -> None:
    """Force a file's bytes, or a folder's names, to disk."""
    if path.is_dir() and os.name == "nt":  # a folder cannot be opened there
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() or os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hashes(folder: Path) -> dict[str, str]:
    """Hash by name of all files below a folder."""
    return {file.relative_to(folder).as_posix(): _hash(file) for file in sorted(folder.rglob("*")) if file.is_file()}


def damaged(folder: Path, expected: Mapping[str, str]) -> tuple[str, str] | None:
    """The first file that is not what it was, and what is wrong with it.

    Args:
        folder: where the files are.
        expected: ``hashes`` of the files when they were written.
    """
    for name, wanted in expected.items():
        file = folder / name
        try:
            if not file.is_file():
                return name, "is missing"
            if not file.stat().st_size and wanted != _EMPTY:
                return name, "is empty"
            if _hash(file) != wanted:
                return name, "is not what was written"
        except OSError as error:
            return name, f"cannot be read ({error})"
    return None


def _hash(file: Path) -> str:
    """sha256 of the size and the content; of a file above 64 MiB, of 64 parts of it."""
    size = file.stat().st_size
    state = hashlib.sha256(f"{size}:".encode())
    with file.open("rb") as stream:
        if size <= _WHOLE:
            state.update(stream.read())
        else:
            for part in range(_PARTS):
                stream.seek(part * (size - _PART) // (_PARTS - 1))
                state.update(stream.read(_PART))
    return state.hexdigest()


_EMPTY = hashlib.sha256(b"0:").hexdigest()
