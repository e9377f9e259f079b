"""The most memory that a process has held."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path


def peak_mib(*, anew: bool = False) -> float:
    """Of this process; where the system can, since it was last counted anew.

    Not by ``getrusage`` on Linux: what began by a fork has its parent's peak there.
    """
    if anew:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    try:
        line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
