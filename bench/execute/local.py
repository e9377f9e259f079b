"""Workers on this machine: processes forked from the template that attack's processes come from too."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ..core.errors import FaceleakError
from ..isolation.processes import Processes
from .schedule import Schedule
from .task import Ended, Task, Work
from .worker import GRACE_S, Begin, live

POLL_S = 0.2  # while something is awaited that another run makes
_DEATHS = 3  # in a row before any task has ended: they cannot live here
_DIED = "The worker's process died: out of memory, or a crash in native code."


class WorkersDied(FaceleakError):
    """No worker lives long enough to do anything."""


@dataclass
class _Worker:
    number: int
    connection: Connection
    pid: int = 0
    ready: bool = False
    task: Task | None = None
    since: float = field(default_factory=time.monotonic)


class Local:
    """Does tasks in processes of this machine.

    Args:
        work: what is done with them.
        processes: whose template workers are forked from; its files are shared by all.
        workers: how many.
        threads: of the processor for each.
        devices: how many accelerators there are to share; 0: none, or one.
        say: where it is told that a worker died.
    """

    def __init__(
        self, work: Work, processes: Processes, workers: int, threads: int, devices: int, say: Callable[[str], None]
    ) -> None:
        self._work, self._processes, self._count, self._threads = work, processes, workers, threads
        self._devices, self._say = devices, say
        self._workers: dict[int, _Worker] = {}
        self._deaths = 0

    def run(self, tasks: Sequence[Task], told: Callable[[Ended], None]) -> None:
        schedule = Schedule(tasks)
        self._count = min(self._count, len(tasks))
        while not schedule.done:
            self._hire()
            self._hand_out(schedule)
            timeout = POLL_S if schedule.blocked else None
            for connection in wait([worker.connection for worker in self._workers.values()], timeout):
                worker = next(one for one in self._workers.values() if one.connection is connection)
                self._hear(worker, schedule, told)

    def close(self) -> None:
        for worker in self._workers.values():
            _introduced(worker)
            _tell(worker, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        for worker in self._workers.values():
            # Who has not said its number has begun nothing, and ends when nobody listens any more.
            if worker.pid and not _ends(worker.connection, deadline - time.monotonic()):
                _tell(worker, signal.SIGKILL)
            worker.connection.close()
        self._workers = {}

    def _hire(self) -> None:
        for number in range(1, self._count + 1):
            if number not in self._workers:
                connection = self._processes.hire(live)
                device = (number - 1) % self._devices if self._devices else None
                connection.send(Begin(self._work, number, self._threads, device, str(self._processes.folder)))
                self._workers[number] = _Worker(number, connection)

    def _hand_out(self, schedule: Schedule) -> None:
        for worker in self._workers.values():
            if worker.ready and worker.task is None:
                worker.task = schedule.next(worker.number)
                if worker.task is not None:
                    worker.since = time.monotonic()
                    worker.connection.send(worker.task.what)

    def _hear(self, worker: _Worker, schedule: Schedule, told: Callable[[Ended], None]) -> None:
        try:
            word, value = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker, schedule, told)
            return
        if word == "error":
            raise value[0] from _Trace(value[1])
        if word == "pid":
            worker.pid = value
        if word == "ready":
            worker.ready = True
        if worker.task is None:
            return
        task, worker.task = worker.task, None
        if word == "busy":
            schedule.busy(task.key, Path(value))
        else:
            self._deaths = 0
            schedule.ended(task.key)
            told(Ended(task, value, "", time.monotonic() - worker.since, worker.number))

    def _bury(self, worker: _Worker, schedule: Schedule, told: Callable[[Ended], None]) -> None:
        """A worker died: another one takes its place, and its task is done once more."""
        worker.connection.close()
        del self._workers[worker.number]
        schedule.left_by(worker.number)
        self._deaths += 1
        if self._deaths >= _DEATHS * self._count:
            raise WorkersDied(f"{self._deaths} workers died one after the other; {_DIED} Use fewer: --workers 1.")
        task = worker.task
        if task is None:
            return
        if schedule.lost(task.key):
            self._say(f"Worker {worker.number} died at {task.title}; it is done once more.")
        else:
            told(Ended(task, None, _DIED, time.monotonic() - worker.since, worker.number))


class _Trace(Exception):
    """Where it went wrong in the worker."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _introduced(worker: _Worker) -> None:
    """Hear the number of a process that has said it since anybody listened: it is the first thing that it says."""
    try:
        if not worker.pid and worker.connection.poll():
            word, value = worker.connection.recv()
            worker.pid = value if word == "pid" else 0
    except (EOFError, OSError):  # it is gone already
        pass


def _tell(worker: _Worker, number: int) -> None:
    if worker.pid:
        try:
            os.kill(worker.pid, number)
        except ProcessLookupError:
            worker.pid = 0


def _ends(connection: Connection, seconds: float) -> bool:
    """Whether the other end hangs up within some seconds; what it still says is not heard."""
    deadline = time.monotonic() + seconds
    try:
        while connection.poll(max(0.0, deadline - time.monotonic())):
            connection.recv_bytes()
    except (EOFError, OSError):
        return True
    return False
