"""Work for workers that needs nothing of a run: counts, dies, waits for locks, cannot go on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from faceleak.bench.core.errors import InputError
from faceleak.bench.execute.task import Seat
from faceleak.bench.store.store import Busy
from faceleak.bench.store.sweep import when_free


class Errands:
    """Does what ``what`` says: (word, argument)."""

    def open(self, seat: Seat) -> None:
        self.number = seat.number

    def do(self, what: Any) -> Any:
        word, value = what
        if word == "dies":  # the first time, or every time
            file = Path(value)
            if file.suffix == ".always" or not file.exists():
                file.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if word == "waits" and not when_free(Path(value)):
            raise Busy(Path(value))
        if word == "refuses":
            raise InputError(value)
        if word == "sleeps":
            time.sleep(value)
        return os.getpid(), value

    def close(self) -> None:
        pass
