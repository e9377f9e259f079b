"""Content-addressed artefacts: an artefact's folder is named after its recipe's key, and is never changed.

A folder appears by one rename when it is complete and safely on disk, so a killed run leaves no half artefact; a lock
per artefact keeps two processes from making the same thing twice. One whose files are not as they were made (a full
disk, a power cut) is made anew, and the log says so; what dead processes left is swept away.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..core.code import code_of
from ..core.json_file import read_json
from .durable import damaged, force, force_all, hashes
from .recipe import Recipe

SEAL = "seal.json"  # of an artefact: its files with their hashes
_LOG = logging.getLogger(__name__)


class Store:
    """Artefacts below ``root``.

    Args:
        root: folder; made when needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._whole: set[Path] = set()
        self._swept: set[Path] = set()

    def make(self, recipe: Recipe, build: Callable[[Path], None]) -> Path:
        """The folder of the artefact; ``build`` writes it into an empty folder if it is not there yet, or is broken."""
        final = self.root / recipe.kind / recipe.key
        if self._is_whole(final):
            return final
        final.parent.mkdir(parents=True, exist_ok=True)
        self._sweep(final.parent)
        lock = Path(f"{final}.lock")
        with FileLock(lock):
            if wrong := _broken(final):
                _LOG.warning("%s/%s/%s: it is made anew.", recipe.kind, recipe.key, wrong)
            elif final.is_dir():
                return final
            self._build(final, recipe, build)
            _remove_lock(lock)
        return final

    def _build(self, final: Path, recipe: Recipe, build: Callable[[Path], None]) -> None:
        temporary = _beside(final)
        temporary.mkdir()
        try:
            build(temporary)
            seal = {"files": hashes(temporary)}
            (temporary / "spec.json").write_text(json.dumps(recipe.spelled(), default=str, indent=1), "utf-8")
            (temporary / SEAL).write_text(json.dumps(seal, indent=1), "utf-8")
            force_all(temporary)
            if final.is_dir():
                final.rename(_beside(final))  # whoever has it open keeps what was there; the next sweep removes it
            temporary.rename(final)
            force(final.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _is_whole(self, final: Path) -> bool:
        """Whether the artefact is there and all its files are as they were made; looked at once per store object."""
        if final not in self._whole and final.is_dir() and not _broken(final):
            self._whole.add(final)
        return final in self._whole and final.is_dir()

    def _sweep(self, kind: Path) -> None:
        """Remove what dead processes left unfinished among artefacts of one kind; once per store object."""
        if kind in self._swept:
            return
        self._swept.add(kind)
        for key in {path.name.split(".")[1] for path in kind.glob(".*.*")} | {
            path.stem for path in kind.glob("*.lock")
        }:
            lock = kind / f"{key}.lock"
            try:
                with FileLock(lock, timeout=0):  # whoever builds holds it
                    for left in kind.glob(f".{key}.*"):
                        shutil.rmtree(left, ignore_errors=True)
                    _remove_lock(lock)
            except Timeout:
                continue

    def has(self, recipe: Recipe) -> bool:
        """Whether the artefact is there."""
        return (self.root / recipe.kind / recipe.key).is_dir()

    def tensors(self, recipe: Recipe, make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Tensors by name, made once."""
        return read_tensors(self.make(recipe, lambda folder: write_tensors(folder, make())))

    def get(self, kind: str, of: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """``make`` for a data set, which names what it is made from and knows no recipes; the code is ``build``'s."""
        return self.make(Recipe(kind, of, code_of(build.__module__)), build)


def _broken(final: Path) -> str:
    """Which file of an artefact is not as it was made, and what is wrong with it; nothing where nothing is."""
    if not final.is_dir():
        return ""
    try:
        files = read_json(final / SEAL)["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{SEAL} cannot be read ({error})"
    wrong = damaged(final, files) if isinstance(files, dict) else (SEAL, "names no files")
    return " ".join(wrong) if wrong else ""


def _beside(final: Path) -> Path:
    return final.with_name(f".{final.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")


def _remove_lock(lock: Path) -> None:
    """While it is held. Somebody who waits for it gets the removed one and then finds the artefact."""
    with suppress(OSError):  # Windows removes no open file
        lock.unlink()


def write_tensors(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Tensors by name into an artefact's folder."""
    clean = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(clean, folder / "tensors.safetensors")


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """What ``write_tensors`` wrote."""
    return load_file(folder / "tensors.safetensors")


def default_root() -> Path:
    """``FACELEAK_STORE``, else ``~/.cache/faceleak``."""
    return Path(os.environ.get("FACELEAK_STORE") or Path.home() / ".cache" / "faceleak").expanduser()
