"""What a run consists of, and who does it: tasks, the work that is done with each, and the engines' one contract."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Task:
    """One thing to do.

    Args:
        key: what it is known by.
        title: what people call it.
        what: for ``Work.do``.
        after: keys of tasks that must have ended before, whatever came of them; unknown ones count as ended.
        makes: what it makes and keeps if it is not there yet: no two tasks make one thing at once.
        home: tasks of one home use the same things in memory, so one worker does them where that can be.
        ahead: made so that nobody has to wait for it; where nobody else works, who needs it makes it.
        heavy: that it makes something that takes minutes: such tasks begin first, and do not end alone.
    """

    key: str
    title: str
    what: Any
    after: frozenset[str] = frozenset()
    makes: frozenset[str] = frozenset()
    home: Hashable = ""
    ahead: bool = False
    heavy: bool = False


@dataclass(frozen=True)
class Seat:
    """Where a worker works.

    Args:
        number: of the worker, from 1.
        threads: of its processor that it may use; 0: as it finds them.
        device: which accelerator of the machine, where it has several; None: the run's.
        processes: a function that makes what the worker forks attacks from; None: it makes its own.
    """

    number: int
    threads: int = 0
    device: int | None = None
    processes: Callable[[Any], Any] | None = field(default=None, compare=False)


class Work(Protocol):
    """What workers do with tasks. It travels to them as bytes before it is opened."""

    def open(self, seat: Seat) -> None:
        """Make ready, in the worker."""

    def do(self, what: Any) -> Any:
        """Do one task; what comes back travels to whoever ordered it.

        Raises:
            Busy: somebody else makes what is needed; it is done again later.
            Exception: nothing that follows would be of use: all stop.
        """

    def close(self) -> None:
        """Let everything go."""


@dataclass(frozen=True)
class Ended:
    """How a task ended.

    Args:
        task: which.
        result: what ``Work.do`` handed back; None if it was lost.
        lost: why no worker lived to its end; nothing if one did.
        seconds: how long it took.
        worker: who did it.
    """

    task: Task
    result: Any
    lost: str = ""
    seconds: float = 0.0
    worker: int = 1


class Executor(Protocol):
    """Does tasks. Whoever does them, the results are the same."""

    def run(self, tasks: Sequence[Task], told: Callable[[Ended], None]) -> None:
        """Do all tasks; ``told`` hears of each as it ends, in this thread.

        Raises:
            Exception: what a worker could not go on after.
            KeyboardInterrupt: asked to stop; whatever has ended has been told.
        """

    def close(self) -> None:
        """Stop whoever works; a second time does nothing."""


Free = Callable[[Path], bool]  # whether nobody holds a lock
