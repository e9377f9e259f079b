"""Which task is next, for whom. Nothing here runs, waits or asks the time, so every order can be tested.

A worker is given, of the tasks that are ready, one whose things it holds in memory; else one whose things nobody holds;
else one of the home with most left to do. Heavy tasks come first in each, so that no long one is left for the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path

from ..store.sweep import when_free
from .task import Free, Task

TRIES = 2  # of a task whose worker died


class Schedule:
    """Tasks of which some wait for others.

    Args:
        tasks: in the order in which they are to be done where nothing speaks for another one.
        free: whether nobody holds a lock any more.
        tries: of a task whose worker died.
    """

    def __init__(self, tasks: Sequence[Task], free: Free = when_free, tries: int = TRIES) -> None:
        self._left = {task.key: task for task in tasks}
        self._running: dict[str, tuple[Task, Hashable]] = {}
        self._homes: dict[Hashable, Hashable] = {}  # worker -> what it holds
        self._blocked: dict[str, Path] = {}
        self._lost: Counter[str] = Counter()
        self._free, self._tries = free, tries

    @property
    def done(self) -> bool:
        """Whether all have ended."""
        return not self._left and not self._running

    @property
    def blocked(self) -> bool:
        """Whether some wait for what somebody outside of this run makes, so that time must be asked again."""
        return bool(self._blocked)

    def next(self, worker: Hashable = 0, *, in_order: bool = False) -> Task | None:
        """A task for a worker, which counts as begun; None if none is ready.

        Args:
            worker: who asks.
            in_order: the first that is ready, whatever the worker holds.
        """
        ready = self._ready()
        if not ready:
            return None
        task = ready[0] if in_order else self._chosen(ready, worker)
        del self._left[task.key]
        self._running[task.key] = task, worker
        if task.home:
            self._homes[worker] = task.home
        return task

    def ended(self, key: str) -> None:
        """A task has ended."""
        del self._running[key]

    def busy(self, key: str, lock: Path) -> None:
        """A task could not be done because somebody else holds ``lock``: it is ready again when that is free."""
        self._left[key] = self._running.pop(key)[0]
        self._blocked[key] = lock

    def lost(self, key: str) -> bool:
        """The worker of a task died. Returns whether it is done once more."""
        task, worker = self._running.pop(key)
        self.left_by(worker)
        self._lost[key] += 1
        again = self._lost[key] < self._tries
        if again:
            self._left = {key: task, **self._left}
        return again

    def left_by(self, worker: Hashable) -> None:
        """A worker is gone; what it held is nobody's."""
        self._homes.pop(worker, None)

    def _ready(self) -> list[Task]:
        pending = self._left.keys() | self._running.keys()
        making = {thing for task, _ in self._running.values() for thing in task.makes}
        ready = [one for one in self._left.values() if not (one.after & pending or one.makes & making)]
        return [one for one in ready if self._is_free(one.key)]

    def _is_free(self, key: str) -> bool:
        lock = self._blocked.get(key)
        if lock is not None and self._free(lock):
            del self._blocked[key]
        return key not in self._blocked

    def _chosen(self, ready: list[Task], worker: Hashable) -> Task:
        own = self._homes.get(worker)
        others = {home for who, home in self._homes.items() if who != worker}
        burden: Counter[Hashable] = Counter()
        for task in self._left.values():
            burden[task.home] += 100 if task.heavy else 1

        def worth(task: Task) -> tuple[bool, bool, bool, int, bool]:
            return (
                task.ahead, task.home == own and bool(own), task.home not in others, burden[task.home], task.heavy,
            )  # fmt: skip

        return max(ready, key=worth)  # of equals the first
