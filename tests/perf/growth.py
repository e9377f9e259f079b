"""How time and memory grow with the cells of a run and with the people of a gallery."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from perf.commands import ROOT, TOYS, toy_track
from perf.pairs import Measured, of

_TRIVIAL = """
[[defenses]]
name = "none"
surfaces = ["template"]
[[attacks]]
name = "grey"
"""
# Of one command: its seconds and the most memory of its process, without those that it starts.
_WATCHED = """
import json, sys, time, torch
sys.argv = ["faceleak", *sys.argv[1:]]
from faceleak.bench.cli.main import app
from faceleak.bench.core.memory import peak_memory
start = time.perf_counter()
try:
    app(standalone_mode=False)
finally:
    print(json.dumps([time.perf_counter() - start, peak_memory(torch.device("cpu"))]))
"""


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """b of value = a size^b, between the two largest sizes."""
    return math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2])


def cells(toy: bool) -> Iterator[Measured]:
    """Two cells of each seed, the system and a grey picture: toy faces, a hundred resamples, in one process."""
    sizes, times, memory, last = (2, 4, 8) if toy else (10, 100, 1000), [], [], []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            track = toy_track(Path(folder), "many", size // 2, _TRIVIAL)
            for found in ((times, memory), (last, [])):
                words = ("--in-process", "--threads", "1", "--quiet", "--plugin", str(TOYS), "--no-report")
                spent, most = _watched("run", track, *words, "--out", f"{folder}/run", "--store", f"{folder}/store")
                found[0].append(spent)
                found[1].append(most)
    yield from _lines("cells", (10, 100, 1000), times)
    yield of("cells-again", [last[-1]])
    yield from _lines("cells-memory", (10, 100, 1000), memory)


def galleries(toy: bool) -> Iterator[Measured]:
    """A process for each size: the peak is the process's. What the gallery itself takes is not counted."""
    shown, times, memory = (1_000, 10_000, 100_000), [], []
    for people in shown:
        script = [sys.executable, str(ROOT / "tests" / "perf" / "large_gallery.py"), "--json"]
        script += ["--people", str(people // 10 if toy else people), "--probes", "500"]
        told = subprocess.run(script, capture_output=True, text=True, check=True).stdout
        found = json.loads(told)
        times.append(found["seconds"])
        memory.append(max(found["searching_mib"], 0.1))
    yield from _lines("gallery", shown, times)
    yield from _lines("gallery-memory", shown, memory)


def _lines(name: str, sizes: Sequence[int], values: Sequence[float]) -> Iterator[Measured]:
    for size, value in zip(sizes, values, strict=True):
        yield of(f"{name}-{size}", [value])
    yield of(f"{name}-growth", [exponent(sizes, values)])


def _watched(*words: str) -> tuple[float, float]:
    paths = os.pathsep.join(filter(None, [str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    if done.returncode:
        raise RuntimeError(f"faceleak {' '.join(words)}: {(done.stdout + done.stderr)[-300:]}")
    spent, most = json.loads(done.stdout.splitlines()[-1])
    return spent, most
