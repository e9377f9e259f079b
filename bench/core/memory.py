"""The most memory that this process has held."""

from __future__ import annotations

import contextlib
import math
import sys
from pathlib import Path

import torch


def peak_memory(device: torch.device) -> float:
    """MB since ``count_anew``, as far as the system can: of the device on CUDA, of the process elsewhere.

    NaN where none can be asked.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with contextlib.suppress(OSError, StopIteration):
        # Not by getrusage where Linux tells it here: what began by a fork has its parent's peak there.
        line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    most: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 1024)


def count_anew(device: torch.device) -> None:
    """Let the peak be what is held now; without effect where the system cannot."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
