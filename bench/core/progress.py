"""One progress display for all long work: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from tqdm import tqdm

from .errors import shown

T = TypeVar("T")


@dataclass
class Progress:
    """Where progress goes.

    Args:
        quiet: show nothing.
        every_s: on a non-terminal, a line at most this often (seconds).
        name: who speaks, where several processes do: they show lines and no bars.
    """

    quiet: bool = True
    every_s: float = 30.0
    name: str = ""

    def say(self, message: str) -> None:
        """One plain line on standard error, unless quiet."""
        if not self.quiet:
            tqdm.write(f"{self.name}{shown(message)}", file=sys.stderr)

    def track(self, items: Iterable[T], total: int, title: str) -> Iterator[T]:
        """Pass ``items`` through and show how far they are."""
        if self.quiet:
            yield from items
        elif sys.stderr.isatty() and not self.name:
            yield from tqdm(items, total=total, desc=title, leave=False, file=sys.stderr)
        else:
            yield from self._lines(items, total, title)

    def _lines(self, items: Iterable[T], total: int, title: str) -> Iterator[T]:
        start = last = time.monotonic()
        for done, item in enumerate(items):
            now = time.monotonic()
            if now - last >= self.every_s:
                left = (now - start) / max(1, done) * (total - done)
                self.say(f"  {title}: {done}/{total}, about {left:.0f} s left")
                last = now
            yield item
