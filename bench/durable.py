"""Files that are there whole or not at all, also after a power cut: written beside, forced to disk, then renamed."""

from __future__ import annotations

import os
from pathlib import Path


def write_text(file: Path, text: str) -> None:
    """Replace ``file`` by ``text`` in one step; nobody ever reads half of it."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        force(temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
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
