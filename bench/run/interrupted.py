"""Around a run on the command line: how it is stopped, what is said of it, and its report brought up to date."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ..report import make_report
from ..report.freshness import is_current
from .runner import RunSummary


@contextmanager
def stoppable() -> Iterator[None]:
    """A scheduler's request to end (SIGTERM) is taken as Ctrl-C is: what has ended is still collected."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def told(summary: RunSummary, folder: Path) -> str:
    """What a run did, in a few lines."""
    done, kept = summary.done, summary.kept
    if done:
        first = f"{done} cell{'s' * (done != 1)} run, {kept} kept, {summary.failed} failed."
    else:
        first = f"Nothing was left to do: all {kept} cells are in {folder}."
        first += " Its tables said something else and were written anew from them." * summary.changed
    return "\n".join([first, *(f"Note: {note}" for note in summary.notes)])


def bring_up(folder: Path, *, report: bool) -> str:
    """Bring the report up to what the run folder says, where one is wanted; returns where things are."""
    results, page = folder / "results.csv", folder / "index.html"
    if report and results.is_file() and not is_current(folder):
        make_report(folder)
    lines = [f"Results: {results}"] * results.is_file()
    if page.is_file():
        old = "" if is_current(folder) else f" (older than results.csv; `faceleak report {folder}` makes it anew)"
        lines += [f"Boards:  {folder / 'boards'}", f"Figures: {folder / 'figures'}", f"Page:    {page}{old}"]
    return "\n".join(lines)
