"""The template of plug-ins' processes, the files that these map, and copies of networks for them."""

from __future__ import annotations

import io
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..core.faces import FaceSet
from . import template
from .pixels import write_pixels
from .remote import RECOGNIZER
from .roots import VARIABLE
from .scratch import Scratch


class CannotTravel(Exception):
    """A network or class cannot be given to another process; the attack runs in this one, and its rows say so."""


@dataclass(frozen=True)
class Shared:
    """What a worker has of the driver's processes.

    Args:
        control: the harness's end of the template's socket.
        folder: for files that attack's processes map.
    """

    control: socket.socket
    folder: Path


class Processes:
    """The template and the files that attack's processes map.

    Args:
        device: where networks run.
        shared: of the driver, in a worker; None: an own template.
    """

    def __init__(self, device: torch.device, shared: Shared | None = None) -> None:
        self.device, self._shared = device, shared
        self._control: socket.socket | None = shared.control if shared else None
        self._plugins: list[str] = []
        self._ready = shared is not None
        self._template: subprocess.Popen[bytes] | None = None
        self._scratch = None if shared else Scratch()
        self.folder = shared.folder if shared else self._scratch.path  # type: ignore[union-attr]
        self._copies: dict[int, tuple[nn.Module, bytes]] = {}

    def begin(self) -> None:
        """Start the template without waiting for it; nothing where there is no fork."""
        if not hasattr(os, "fork"):
            return
        plugins = plugin_files()
        running = self._template is not None and self._plugins == plugins and self._template.poll() is None
        if self._shared or running:
            return
        self.end()
        ours, theirs = socket.socketpair()
        clean = {name: value for name, value in os.environ.items() if name != VARIABLE}
        clean["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        clean["TMPDIR"] = str(self.folder)  # what its forks leave there goes with this
        command = [sys.executable, "-m", template.__name__, str(theirs.fileno())]
        self._template = subprocess.Popen(command, env=clean, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        ours.sendall(template.message(plugins, sys.path))
        self._control, self._plugins, self._ready = ours, plugins, False

    def fork(self) -> Connection:
        """A new attack's process's connection.

        Raises:
            CannotTravel: the template did not start.
        """
        return self._forked()

    def hire(self, entry: Callable[[Connection, int], None]) -> Connection:
        """The connection of a new process of the harness's own, which may ask the template too.

        Args:
            entry: what it does with its end of the connection and with the number of the template's socket.

        Raises:
            CannotTravel: the template did not start.
        """
        connection = self._forked(worker=True)
        connection.send_bytes(pickle.dumps(entry))
        return connection

    def _forked(self, *, worker: bool = False) -> Connection:
        if not hasattr(os, "fork"):
            raise CannotTravel("this system cannot fork")
        self.begin()
        assert self._control is not None
        if not self._ready and self._control.recv(len(template.READY), socket.MSG_WAITALL) != template.READY:
            raise CannotTravel("the process that attacks are forked from did not start")
        self._ready = True
        ours, theirs = socket.socketpair()
        socket.send_fds(self._control, [b"x"], [theirs.fileno()] + [self._control.fileno()] * worker)
        theirs.close()
        return Connection(ours.detach())

    def close(self) -> None:
        """End the template and take the files away."""
        self.end()
        if self._scratch is not None:
            self._scratch.close()

    def end(self) -> None:
        """Hang up; the template ends by itself."""
        if self._control is not None:
            self._control.close()
        if self._template is not None:
            if not self._ready:  # still importing, so it would hear of it late
                self._template.terminate()
            self._template.wait()
        self._control = self._template = None

    def copy(self, module: nn.Module) -> bytes:
        """A network as bytes, on the CPU.

        Raises:
            CannotTravel: it holds what cannot be copied into another process.
        """
        if id(module) not in self._copies:
            self._copies[id(module)] = (module, pickled(module))
        return self._copies[id(module)][1]

    def pixels(self, faces: FaceSet, size: int = 0) -> Path:
        """The file of a split's pictures, as they are or at ``size`` pixels."""
        file = self.folder / f"{faces.name}-{faces.sha.replace(':', '-')}" / f"{size}.npy"  # fenced by folder
        if not file.is_file():
            file.parent.mkdir(exist_ok=True)
            write_pixels(file, len(faces), faces.images if not size else lambda part: faces.resized(part, size))
        return file


def plugin_files() -> list[str]:
    """Plug-in files that were loaded here."""
    loaded = [one for name, one in sys.modules.items() if name.startswith("faceleak_plugin_")]
    return [str(one.__file__) for one in loaded]


class _Pickler(pickle.Pickler):
    """Leaves a recogniser out, by reference to what the other side has in its place."""

    def __init__(self, file: io.BytesIO, left_out: nn.Module | None) -> None:
        super().__init__(file)
        self._left_out = left_out

    def persistent_id(self, one: Any) -> str | None:
        return RECOGNIZER if one is self._left_out and one is not None else None


def pickled(one: Any, left_out: nn.Module | None = None) -> bytes:
    """Bytes for another process.

    Raises:
        CannotTravel: something in it has no bytes (a session of another library, a function typed in).
    """
    file = io.BytesIO()
    try:
        _Pickler(file, left_out).dump(one)
    except Exception as error:
        raise CannotTravel(f"{type(one).__name__} cannot be copied: {error}") from error
    return file.getvalue()


def where_of(kind: type) -> tuple[str, str]:
    """Module and name by which another process finds a class.

    Raises:
        CannotTravel: it has none: it was typed in, or stands inside of a function.
    """
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if "." in kind.__qualname__ or getattr(module, kind.__qualname__, None) is not kind or not file:
        raise CannotTravel(f"{kind.__qualname__} stands in no file by its name; put it into a plug-in file")
    if kind.__module__ == "__main__" or not Path(file).is_file():
        raise CannotTravel(f"{kind.__qualname__} was typed in; put it into a plug-in file")
    return kind.__module__, kind.__qualname__
