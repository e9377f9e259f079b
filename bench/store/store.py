"""Content-addressed artefacts: an artefact's folder is named after its recipe's key, and is never changed.

A folder appears by one rename when it is complete and safely on disk, so a killed run leaves no half artefact; a lock
per artefact keeps two processes from making the same thing twice. One whose files are not as they were made (a full
disk, a power cut) is made anew, and the log says so; what dead processes left is swept away (``sweep.py``).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..core.code import code_of
from ..core.json_file import read_json
from ..core.unfinished import resumable
from .durable import damaged, force, force_all, hashes
from .recipe import Recipe
from .sweep import UNFINISHED, remove_lock, sweep, sweep_one
from .unfinished import Unfinished

SEAL = "seal.json"  # of an artefact: its files with their hashes
PATIENCE_S = 20.0  # of work that is not thrown away because somebody else makes what it needs next
_LOG = logging.getLogger(__name__)


class Busy(BaseException):
    """Somebody else makes what is needed: come back when ``lock`` is free. No ``Exception``: it is no cell's failure.

    Args:
        lock: file that is held meanwhile.
    """

    def __init__(self, lock: Path) -> None:
        super().__init__(str(lock))
        self.lock = lock


class Store:
    """Artefacts below ``root``.

    Args:
        root: folder; made when needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._whole: set[Path] = set()
        self._swept: set[Path] = set()
        self._deferring: float | None = None  # since when

    def make(self, recipe: Recipe, build: Callable[[Path], None]) -> Path:
        """The folder of the artefact; ``build`` writes it into an empty folder if it is not there yet, or is broken.

        Raises:
            Busy: within ``deferring``, while another process makes it.
        """
        final = self.root / recipe.kind / recipe.key
        if self._is_whole(final):
            return final
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.parent not in self._swept:
            self._swept.add(final.parent)
            sweep(final.parent)
        lock = Path(f"{final}.lock")
        with self._held(lock):
            if wrong := _broken(final):
                _LOG.warning("%s/%s/%s: it is made anew.", recipe.kind, recipe.key, wrong)
            elif final.is_dir():
                return final
            sweep_one(final)
            self._build(final, recipe, build)
        return final

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """Within, ``make`` raises ``Busy`` where it would wait for another process, unless much work would be lost."""
        self._deferring = time.monotonic()
        try:
            yield
        finally:
            self._deferring = None

    @contextmanager
    def _held(self, lock: Path) -> Iterator[None]:
        waits = self._deferring is None or time.monotonic() - self._deferring > PATIENCE_S
        held = FileLock(lock)
        try:
            held.acquire(timeout=-1 if waits else 0)
        except Timeout:
            raise Busy(lock) from None
        try:
            yield
        finally:
            remove_lock(lock)
            held.release()

    def _build(self, final: Path, recipe: Recipe, build: Callable[[Path], None]) -> None:
        temporary = _beside(final)
        temporary.mkdir()
        unfinished = self.unfinished(recipe)
        try:
            with resumable(unfinished):
                build(temporary)
            seal = {"files": hashes(temporary)}
            (temporary / "spec.json").write_text(json.dumps(recipe.spelled(), default=str, indent=1), "utf-8")
            (temporary / SEAL).write_text(json.dumps(seal, indent=1), "utf-8")
            force_all(temporary)
            if final.is_dir():
                final.rename(_beside(final))  # whoever has it open keeps what was there; the next sweep removes it
            temporary.rename(final)
            force(final.parent)
            unfinished.clear()
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _is_whole(self, final: Path) -> bool:
        """Whether the artefact is there and all its files are as they were made; looked at once per store object."""
        if final not in self._whole and final.is_dir() and not _broken(final):
            self._whole.add(final)
        return final in self._whole and final.is_dir()

    def unfinished(self, recipe: Recipe) -> Unfinished:
        """Where long loops keep themselves while something is made."""
        return Unfinished(self.root / UNFINISHED / f"{recipe.kind}-{recipe.key}")

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
