"""The life of a worker on this machine: a process of the harness's own that does one task after the other."""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from ..isolation.processes import Processes, Shared
from ..store.store import Busy
from .task import Seat, Work

GRACE_S = 10.0  # to end in order


@dataclass(frozen=True)
class Begin:
    """What a worker is told first.

    Args:
        work: what to do with tasks.
        number: of the worker, from 1.
        threads: that it may use.
        device: which accelerator, where there are several.
        folder: for files that attack's processes map, shared by all workers.
    """

    work: Work
    number: int
    threads: int
    device: int | None
    folder: str


def live(connection: Connection, control: int) -> None:
    """Do what the driver sends until it hangs up.

    Args:
        connection: to the driver.
        control: of the template, which this process too may ask for attack's processes.
    """
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_watch, args=(connection.fileno(),), daemon=True).start()
    connection.send(("pid", os.getpid()))
    begin: Begin = connection.recv()
    template = socket.socket(fileno=control)

    def processes(device: Any) -> Processes:
        return Processes(device, Shared(template, Path(begin.folder)))

    try:
        connection.send(begun(begin.work, Seat(begin.number, begin.threads, begin.device, processes)))
        while True:
            connection.send(done(begin.work, connection.recv()))
    except (EOFError, OSError, KeyboardInterrupt):
        pass  # the driver has hung up, or wants this to end
    finally:
        begin.work.close()


def begun(work: Work, seat: Seat) -> tuple[str, Any]:
    """Open ``work``: ("ready", None) or ("error", ...)."""
    try:
        work.open(seat)
    except Exception as error:
        return told(error)
    return "ready", None


def done(work: Work, what: Any) -> tuple[str, Any]:
    """Do a task: ("ended", result), ("busy", lock) or ("error", ...)."""
    try:
        return "ended", work.do(what)
    except Busy as busy:
        return "busy", str(busy.lock)
    except Exception as error:
        return told(error)


def told(error: Exception) -> tuple[str, Any]:
    """An error as it travels: itself where it can, with its trace."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # nosec B301
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    return "error", (error, trace)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: what is tidied up is not interrupted
    raise KeyboardInterrupt


def _watch(handle: int) -> None:
    """End this process when the driver hangs up, also in the middle of a task: it may have been killed."""
    waiting = select.poll()
    waiting.register(handle, 0)  # hang-ups only
    waiting.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)
