"""What a worker of a run does: it holds a session of its own, and runs cells or makes what they need."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from ..core.boundary import fatal
from ..core.code import code_of
from ..core.errors import ContractError
from ..core.registry import load_plugin
from ..execute.task import Seat
from ..isolation.processes import plugin_files
from ..isolation.roots import VARIABLE
from ..measure.parts import differs, measurements_of
from ..plan.cells import Cell
from ..plan.track import Track
from ..prepare.session import Session
from ..record.cell_files import damage, has_ended, read_state
from ..store.remote import RemoteStore
from ..store.store import Busy, Store
from ..store.sweep import remove_lock
from .cell import cell_key, run_cell
from .graph import MakeEmbeddings, MakeRecognizer, MakeSystem, RunCell
from .options import RunOptions


@dataclass(frozen=True)
class CellDone:
    """How a cell ended.

    Args:
        key: of the cell.
        failed: whether it is to be tried again.
        kept: whether another run had ended it meanwhile.
        files: of the cell's folder, from a machine that has no run folder.
    """

    key: str
    failed: bool
    kept: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)


class CellWork:
    """Runs the cells of a track.

    Args:
        track: what is run.
        options: how.
        session: to work with, where it is not opened elsewhere.
    """

    def __init__(self, track: Track, options: RunOptions, session: Session | None = None) -> None:
        self._track, self._options, self._session = track, options, session
        if session is not None:  # also where the environment said so, which other machines do not have
            self._options = replace(options, in_process=session.in_process)
        # The template's environment, which a worker's comes from, has none; a store elsewhere has another one.
        self._root = session.root.text if session is not None else os.environ.get(VARIABLE, "")
        self._code, self._carries = code_of(cell_key.__module__), False
        self._plugins = plugin_files()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_session": None}

    def carrying(self) -> CellWork:
        """For machines that have no run folder: what a cell leaves travels with its result."""
        other = CellWork(self._track, self._options, self._session)
        other._session, other._carries = None, True
        return other

    @property
    def session(self) -> Session:
        """What the worker holds."""
        if self._session is None:
            raise ContractError("A worker was asked for work before it was opened.")
        return self._session

    def open(self, seat: Seat) -> None:
        if self._session is not None:
            return
        if self._root:
            os.environ[VARIABLE] = self._root
        if code_of(cell_key.__module__) != self._code:
            raise ContractError(
                f"{socket.gethostname()} has another code of faceleak than the machine that drives the run; install "
                "the same one on every node."
            )
        for file in self._plugins:  # where a template loaded them, they are there
            load_plugin(file)
        prepare_torch(seat.threads)
        options = self._options
        self._options = replace(options, progress=replace(options.progress, name=f"({seat.number}) "))
        if self._carries:
            self._folder = tempfile.TemporaryDirectory(prefix="faceleak-cells-")
            self._options = replace(self._options, out=Path(self._folder.name))
        device = options.device if seat.device is None else torch.device(options.device.type, seat.device)
        self._session = open_session(self._track, replace(self._options, device=device))
        if seat.processes is not None:
            self._session.processes = seat.processes(device)

    def do(self, what: Any) -> CellDone | None:
        with self.session.store.deferring():
            if isinstance(what, RunCell):
                return self._cell(what.key, what.cell)
            if isinstance(what, MakeRecognizer):  # nothing can be done without it
                self.session.of(what.seed).recognizer(what.alias)
                return None
            try:
                self._make(what)
            except Exception as error:  # those who need it meet it too, and tell
                if fatal(error):
                    raise
            return None

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _make(self, what: Any) -> None:
        if isinstance(what, MakeEmbeddings):
            self.session.of(what.seed).embeddings(what.alias, what.split)
        elif isinstance(what, MakeSystem):
            self.session.of(what.seed).defense(what.defense, what.alias, what.seed)

    def _cell(self, key: str, cell: Cell) -> CellDone:
        """One cell, unless another run does it at this moment or has done it meanwhile."""
        folder, options = self._options.out / "cells" / key, self._options
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{key}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise Busy(Path(lock.lock_file)) from None
        try:
            if not is_left(self._track, folder, cell):
                return CellDone(key, failed=False, kept=True)
            failed = not run_cell(self.session, cell, folder, options.progress, options.again)
            return CellDone(key, failed, files=_files(folder) if self._carries else {})
        finally:
            remove_lock(Path(lock.lock_file))
            lock.release()


def _files(folder: Path) -> dict[str, bytes]:
    found = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    shutil.rmtree(folder)
    return found


def open_session(track: Track, options: RunOptions) -> Session:
    """What a run's cells have in common."""
    store = RemoteStore(options.store, options.artefacts) if options.artefacts else Store(options.store)
    session = Session(track, store, options.device, options.progress)
    session.in_process, session.out = session.in_process or options.in_process, options.out
    return session


def prepare_torch(threads: int = 0) -> None:
    """Kernels that give the same numbers every time."""
    # As use_deterministic_algorithms(True, warn_only=True) does, without importing the compiler: seconds, and only an
    # optimiser needs it.
    torch.set_deterministic_debug_mode("warn")
    if threads:
        torch.set_num_threads(threads)


def is_left(track: Track, folder: Path, cell: Cell) -> bool:
    """Whether a cell must be run: not there, failed, or there with files that cannot be read."""
    if not has_ended(folder) or damage(folder) or read_state(folder)["status"] == "failed":
        return True
    return differs(folder, measurements_of(track.protocol, cell))


def labels_of(track: Track, cell: Cell) -> Mapping[str, Any]:
    """What ``run.json`` calls a cell."""
    return cell.labels() | {"dataset": track.dataset.name}
