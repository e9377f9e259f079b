"""A progress that keeps what it is told."""

from __future__ import annotations

from faceleak.bench.core.progress import Progress


class Said(Progress):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)
