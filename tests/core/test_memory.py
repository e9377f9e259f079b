"""The most memory of a process is its own, and of now."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from faceleak.bench.core.memory import count_anew, peak_memory

CPU = torch.device("cpu")
_MB = 2000  # more than a process with torch alone
pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").is_file(), reason="only Linux tells and forgets")


def held(megabytes: int) -> mmap.mmap:
    """So much memory, touched; given back when closed, whatever the allocator keeps."""
    block = mmap.mmap(-1, megabytes << 20)
    for at in range(0, len(block), mmap.PAGESIZE):
        block[at] = 1
    return block


def test_counting_anew_forgets_what_was_given_back() -> None:
    count_anew(CPU)
    before = peak_memory(CPU)
    held(300).close()
    assert peak_memory(CPU) > before + 290
    count_anew(CPU)
    assert peak_memory(CPU) < before + 100


def test_a_process_is_not_charged_with_its_parents_peak() -> None:
    """What is started by a fork inherits it in getrusage."""
    code = "import torch; from faceleak.bench.core.memory import peak_memory; print(peak_memory(torch.device('cpu')))"
    with held(_MB):
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 20 < float(told) < _MB
