"""Workers on many machines, by Ray: nodes may join and leave, a lost worker costs its task's repetition.

Every node has faceleak of the same code, and the data where the track looks for it. Artefacts are shared by a file
system or by ``--artefacts``; what a cell leaves comes back to the driver as bytes.
"""

from __future__ import annotations

import logging
import pickle
import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .schedule import Schedule
from .task import Ended, Seat, Task, Work
from .worker import begun, done

POLL_S = 1.0
TRIES = 4  # of a task: a node that leaves is no fault of it
_PATIENCE_S = 60.0
_KNOCK_S = 10.0
_DIED = "The worker died, or its node left: out of memory, a crash in native code, or a machine that is gone."


class Actor:
    """What runs on a node; Ray makes an actor of it."""

    def __init__(self, number: int, threads: int) -> None:
        self._seat = Seat(number, threads)
        self._work: Work | None = None

    def open(self, work: bytes) -> tuple[str, Any]:
        """Make ready."""
        self._work = pickle.loads(work)  # nosec B301
        return begun(self._work, self._seat)

    def do(self, what: bytes) -> tuple[str, Any]:
        """Do a task."""
        assert self._work is not None
        return done(self._work, pickle.loads(what))  # nosec B301

    def close(self) -> None:
        """Let everything go."""
        if self._work is not None:
            self._work.close()


@dataclass
class _Worker:
    number: int
    actor: Any
    ref: Any
    ready: bool = False
    task: Task | None = None
    since: float = field(default_factory=time.monotonic)


class Cluster:
    """Does tasks on the machines of a Ray cluster.

    Args:
        work: what is done with them.
        address: of the cluster; ``auto``: the one that this machine belongs to, else this machine alone.
        threads: of the processor for each worker.
        gpus: for each worker, also a part of one; 0: none.
        most: workers at the same time.
        say: where it is told who came and went.

    Raises:
        InputError: Ray is not installed, or no cluster answers.
    """

    def __init__(
        self, work: Work, address: str, threads: int, gpus: float, most: int, say: Callable[[str], None]
    ) -> None:
        self._ray = connected(address)
        self._work, self._threads, self._gpus, self._most, self._say = pickle.dumps(work), threads, gpus, most, say
        self._workers: dict[int, _Worker] = {}
        self._hired, self._idle_since = 0, time.monotonic()
        self._kind = self._ray.remote(num_cpus=threads, num_gpus=gpus, max_restarts=0)(Actor)

    def run(self, tasks: Sequence[Task], told: Callable[[Ended], None]) -> None:
        schedule, left = Schedule(tasks, tries=TRIES), len(tasks)
        while not schedule.done:
            self._hire(left)
            self._hand_out(schedule)
            waiting = {worker.ref: worker for worker in self._workers.values() if worker.ref is not None}
            ready = self._ray.wait(list(waiting), timeout=POLL_S)[0] if waiting else []
            for ref in ready:
                left -= self._hear(waiting[ref], schedule, told)
            self._complain(bool(ready) or any(worker.ready for worker in self._workers.values()))

    def close(self) -> None:
        for worker in self._workers.values():
            self._ray.kill(worker.actor)
        self._workers = {}
        self._ray.shutdown()

    def _hire(self, left: int) -> None:
        """As many as the cluster has room for now: nodes join and leave."""
        there = self._ray.cluster_resources()
        room = int(there.get("GPU", 0) / self._gpus) if self._gpus else int(there.get("CPU", 0) // self._threads)
        while len(self._workers) < min(room, left, self._most):
            self._hired += 1
            actor = self._kind.remote(self._hired, self._threads)
            self._workers[self._hired] = _Worker(self._hired, actor, actor.open.remote(self._work))

    def _hand_out(self, schedule: Schedule) -> None:
        for worker in self._workers.values():
            if worker.ready and worker.task is None:
                worker.task = schedule.next(worker.number)
                if worker.task is not None:
                    worker.since = time.monotonic()
                    worker.ref = worker.actor.do.remote(pickle.dumps(worker.task.what))

    def _hear(self, worker: _Worker, schedule: Schedule, told: Callable[[Ended], None]) -> int:
        """What came back of a worker; returns how many tasks ended."""
        ref, worker.ref = worker.ref, None
        task, worker.task = worker.task, None
        try:
            word, value = self._ray.get(ref)
        except self._ray.exceptions.RayError:
            return self._bury(worker, task, schedule, told)
        if word == "error":
            raise value[0] from RuntimeError(value[1])
        if task is None:
            worker.ready = True
            return 0
        if word == "busy":
            schedule.busy(task.key, Path(value))
            return 0
        schedule.ended(task.key)
        told(Ended(task, value, "", time.monotonic() - worker.since, worker.number))
        return 1

    def _bury(self, worker: _Worker, task: Task | None, schedule: Schedule, told: Callable[[Ended], None]) -> int:
        del self._workers[worker.number]
        schedule.left_by(worker.number)
        if task is None:
            return 0
        if schedule.lost(task.key):
            self._say(f"Worker {worker.number} is lost at {task.title}; it is done once more.")
            return 0
        told(Ended(task, None, _DIED, time.monotonic() - worker.since, worker.number))
        return 1

    def _complain(self, somebody_works: bool) -> None:
        if somebody_works:
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > _PATIENCE_S:
            self._idle_since = time.monotonic()
            needs = f"{self._threads} CPU" + (f" and {self._gpus} GPU" if self._gpus else "")
            self._say(f"No node of the cluster has {needs} for a worker yet; it has {self._ray.cluster_resources()}.")


def connected(address: str) -> Any:
    """The library, connected to a cluster.

    Args:
        address: ``auto`` or that of a cluster's head.

    Raises:
        InputError: Ray is not installed, or no cluster answers.
    """
    try:
        import ray
    except ImportError:
        raise InputError("--ray needs Ray: pip install 'faceleak[ray]'.") from None
    if ray.is_initialized():
        return ray
    knock(address)
    try:
        ray.init(address=address, log_to_driver=True, logging_level=logging.WARNING)
    except (ConnectionError, ValueError, RuntimeError) as error:  # Ray's own for: nobody, no address, no right
        if address != "auto" or not isinstance(error, ConnectionError):
            raise InputError(f"--ray {address}: Ray does not connect ({error}).") from error
        ray.init(logging_level=logging.WARNING)
    return ray


def knock(address: str) -> None:
    """Whether anybody listens there: Ray itself goes on trying for minutes.

    Raises:
        InputError: nobody does.
    """
    found = re.fullmatch(r"\[?([^/\[\]]+)\]?:(\d{1,5})", address)
    if found is None:  # auto, or a form that Ray knows what to do with
        return
    try:
        socket.create_connection((found[1], int(found[2])), _KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--ray {address}: no cluster answers there ({error}); start one with `ray start --head`, or give auto."
        ) from error
