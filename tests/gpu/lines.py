"""What is looked at on a device, and how long there is for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Line:
    """One thing that was looked at."""

    check: str
    what: str
    value: float | str
    unit: str = ""
    goal: str = ""
    holds: bool | None = None  # None: it has no goal, or could not be looked at
    note: str = ""


@dataclass
class Check:
    """The machine and how long there is."""

    device: torch.device
    toy: bool
    until: float

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self.until - time.monotonic())

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def rate(self, work: Callable[[], object], images: int) -> float:
        """Images a second, best of three goes of a second each (a tenth in a try)."""
        work()
        best, each = 0.0, 0.1 if self.toy else 1.0
        for _ in range(3):
            self.wait()
            start, done = time.perf_counter(), 0
            while time.perf_counter() - start < each:
                work()
                self.wait()
                done += images
            best = max(best, done / (time.perf_counter() - start))
        return best
