"""How far a run is, and how long it will take, over all who work."""

from __future__ import annotations

from collections.abc import Sequence

from .task import Ended, Task

_SHARE = 15.0  # how much longer a heavy task takes than another, until both have been seen


class Pace:
    """Tasks that have ended and tasks that are left.

    Args:
        tasks: those that are counted.
        workers: how many work at the same time, if no more than these are seen.
    """

    def __init__(self, tasks: Sequence[Task], workers: int) -> None:
        self.total, self._workers = len(tasks), max(1, workers)
        self.ended = 0
        self._left = {kind: sum(task.heavy is kind for task in tasks) for kind in (True, False)}
        self._seen: set[int] = set()
        self._took: dict[bool, list[float]] = {True: [], False: []}

    def add(self, ended: Ended) -> None:
        """One more has ended."""
        self.ended += 1
        self._seen.add(ended.worker)
        self._left[ended.task.heavy] -= 1
        self._took[ended.task.heavy].append(ended.seconds)

    def seconds_left(self) -> float:
        """A guess: each kind of task takes what those of its kind took, and all workers work to the end."""
        heavy, light = self._took[True], self._took[False]
        if not heavy and not light:
            return 0.0
        one = sum(light) / len(light) if light else sum(heavy) / len(heavy) / _SHARE
        other = sum(heavy) / len(heavy) if heavy else one * _SHARE
        return (self._left[True] * other + self._left[False] * one) / max(self._workers, len(self._seen))

    def told(self, ended: Ended) -> str:
        """What to say behind the title of the task that has just ended."""
        took = f" ({ended.worker}): {ended.seconds:.0f} s"
        left = self.seconds_left()
        return took + (f", about {_span(left)} left" if self.ended < self.total else "")


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
