"""A fence around a plug-in's process: files of the harness, other programs and the network are refused.

A fence, not a wall: it hears of what Python does (``sys.addaudithook``, which cannot be taken off again), not of what
native code does. SECURITY.md says what follows from that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import ThreatModelError

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PROGRAMS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile"}
)
_CHANGES = frozenset({"os.rename", "os.remove", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.mkdir"})
_NETWORK = frozenset({"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg"})


class FenceError(ThreatModelError, PermissionError):
    """A plug-in reached for what it was not handed."""


def fence(closed: Sequence[str], scratch: str, own: str = "", who: str = "An attack") -> None:
    """Close this process: nothing below ``closed`` is read, nothing is written but below ``scratch``.

    Args:
        closed: folders of the run.
        scratch: this process's temporary folder.
        own: the folder of its pictures; what lies beside it is other processes'.
        who: speaks in the messages.
    """
    shut = tuple(os.path.realpath(place) for place in closed if place)
    opened = tuple(os.path.realpath(place) for place in (own, scratch) if place)
    shared = (os.path.dirname(opened[0]),) if own else ()
    free = (os.path.realpath(scratch), "/dev/null", "/dev/shm", "/dev/nvidia")  # nosec B108

    def look(path: str, writes: bool) -> None:
        other = path.startswith("/proc/") and path.split("/")[2].isdigit() and path.split("/")[2] != str(os.getpid())
        if other or _below(path, shut) or (_below(path, shared) and not _below(path, opened)):
            raise FenceError(f"{Path(path).name}: files of the run are not {who[0].lower()}{who[1:]}'s to read.")
        if writes and not _below(path, free):
            raise FenceError(f"{path}: {who[0].lower()}{who[1:]} writes to its own temporary folder (tempfile) and "
                             "nowhere else.")  # fmt: skip

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _PROGRAMS or event in _NETWORK:
            raise FenceError(f"{who} starts no programs and opens no connections ({event}).")
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            look(os.path.realpath(os.fsdecode(arguments[0])), bool((arguments[2] or 0) & _WRITING))
        if event in ("os.listdir", "os.scandir") and isinstance(arguments[0], str | bytes | os.PathLike):
            look(os.path.realpath(os.fsdecode(arguments[0])), False)
        if event in _CHANGES:
            # rmtree removes by the folder's handle and the bare name.
            handle = arguments[1] if event == "os.remove" else -1
            base = os.readlink(f"/proc/self/fd/{handle}") if handle >= 0 else ""
            for path in arguments[:2]:
                if isinstance(path, str | bytes | os.PathLike):
                    look(os.path.realpath(os.path.join(base, os.fsdecode(path))), True)

    sys.addaudithook(hook)


def _below(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(place + os.sep) for place in places)
