"""The engine that is none: this process does everything, in the order of the tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..store.store import Busy
from .schedule import Schedule
from .task import Ended, Seat, Task, Work

POLL_S = 0.1


class Here:
    """Does tasks in this process.

    Args:
        work: what is done with them.
        begun: hears of each as it begins.
    """

    def __init__(self, work: Work, begun: Callable[[Task], None]) -> None:
        self._work, self._begun = work, begun

    def run(self, tasks: Sequence[Task], told: Callable[[Ended], None]) -> None:
        self._work.open(Seat(1))
        schedule = Schedule([task for task in tasks if not task.ahead])
        while not schedule.done:
            task = schedule.next(in_order=True)
            if task is None:  # all that is left is being made by another run
                time.sleep(POLL_S)
                continue
            self._begun(task)
            start = time.monotonic()
            try:
                result = self._work.do(task.what)
            except Busy as busy:
                schedule.busy(task.key, busy.lock)
            else:
                schedule.ended(task.key)
                told(Ended(task, result, seconds=time.monotonic() - start))

    def close(self) -> None:
        self._work.close()
