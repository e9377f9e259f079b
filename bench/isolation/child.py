"""The life of a plug-in's process: it is told what it may use, closes itself, and does what the harness asks."""

from __future__ import annotations

import importlib
import os
import pickle
import select
import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.leaks import Leak
from ..core.progress import Progress
from ..core.recovery import Recovery
from ..core.seeding import Rng
from ..core.surfaces import Surface
from ..core.threat import ThreatModel
from ..core.unfinished import resumable
from .arithmetic import set_arithmetic
from .attacker import Handed, LocalAttacker
from .fence import fence
from .learner import learn
from .remote import RemoteKeep, RemotePlace, remote_context
from .wire import Peer


@dataclass(frozen=True)
class Start:
    """All that an attack's process is told when it begins.

    Args:
        attack: module and name of the class.
        settings: of the attack.
        threat: what is granted.
        surface: where the leak is.
        rng: the attack's own randomness.
        public: name, samples, identities and hash of the adversary's pictures.
        pixels: file of these pictures.
        surrogate: the adversary's own recogniser, pickled; empty: none.
        resolution: side in pixels of recovered images.
        progress: where to show it.
        arithmetic: how torch computes in the harness.
        closed: folders that are not to be read.
    """

    attack: tuple[str, str]
    settings: Any
    threat: ThreatModel
    surface: Surface
    rng: Rng
    public: tuple[str, list[str], list[str], str]
    pixels: str
    surrogate: bytes
    resolution: int
    progress: Progress
    arithmetic: dict[str, Any]
    closed: tuple[str, ...]


def work(connection: Connection) -> None:
    """Answer the harness until it hangs up."""
    scratch = tempfile.mkdtemp(prefix="attack-")
    threading.Thread(target=_watch, args=(connection.fileno(), scratch), daemon=True).start()
    tempfile.tempdir, os.environ["TMPDIR"], sys.dont_write_bytecode = scratch, scratch, True
    desk = _Desk(connection, scratch)
    try:
        desk.peer.serve()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _watch(handle: int, scratch: str) -> None:
    """End this process when the harness hangs up, also in the middle of a fit: it may have been killed."""
    waiting = select.poll()
    waiting.register(handle, 0)  # hang-ups only
    waiting.poll()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(0)


class _Desk:
    """What may be asked of the process of an attack, or of a defence that learns."""

    def __init__(self, connection: Connection, scratch: str) -> None:
        words = ("start", "check", "fit", "load", "recover", "costs", "make", "learn")
        answers = {word: getattr(self, word) for word in words}
        self.peer, self._scratch = Peer(connection, answers, torch.device("cpu")), scratch
        self._keep = RemoteKeep(self.peer)
        self._attacker: LocalAttacker | None = None
        self._context: Any = None

    def start(self, content: bytes, device: str) -> None:
        place = torch.device(device)
        self.peer.device = place
        start: Start = pickle.loads(content)  # nosec B301
        set_arithmetic(start.arithmetic)
        module, name = start.attack
        kind = getattr(importlib.import_module(module), name)
        self._context = remote_context(self.peer, start, place, self._keep)
        fence(start.closed, self._scratch, str(Path(start.pixels).parent))
        self._attacker = LocalAttacker(kind(start.settings), self._context)

    @property
    def attacker(self) -> LocalAttacker:
        if self._attacker is None:
            raise InputError("An attack's process was asked before it was started.")
        return self._attacker

    def check(self, sample: Leak) -> None:
        self.attacker.check(sample)

    def fit(self) -> dict[str, Any]:
        with resumable(RemotePlace(self.peer)):
            fitted = self.attacker.fit()
        return {
            "state": fitted.state,
            "losses": fitted.losses,
            "still_falling": fitted.still_falling,
            "kept": fitted.kept,
        }

    def load(self, state: dict[str, Tensor]) -> None:
        self.attacker.load(state)

    def learn(self, content: bytes, device: str) -> dict[str, Any]:
        place = torch.device(device)
        self.peer.device = place
        return learn(self.peer, content, place, self._keep, self._scratch)

    def make(self) -> dict[str, Tensor]:
        return self._keep.make()

    def recover(
        self, leaks: list[Leak], ids: list[Tensor], joined: str, photographs: dict[str, Tensor] | None
    ) -> dict[str, Any]:
        with resumable(RemotePlace(self.peer)):
            found: Recovery = self.attacker.recover(Handed(leaks, ids, joined, photographs))
        return {
            "images": found.images, "embeddings": found.embeddings, "space": found.space,
            "attributes": found.attributes,
        }  # fmt: skip

    def costs(self) -> list[float]:
        return list(self.attacker.costs())
