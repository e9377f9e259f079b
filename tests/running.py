"""Whole runs for tests: the command in a process of its own, a small track, and what of a board must not change."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
from faceleak.bench.record.results import TIMING_METRICS, VOLATILE
from systems import TOY_TRACK

TOYS = Path(__file__).with_name("toys.py")
CELLS = """
[[defenses]]
name = "none"
surfaces = ["template"]
[[defenses]]
name = "biohash"
[[attacks]]
name = "mean-face"
[[attacks]]
name = "linear-ridge"
knowledge = ["K0", "K3"]
"""
SMALL = TOY_TRACK.replace("identities = 84", "identities = 60").replace("bootstrap = 200", "bootstrap = 100")
SMALL = SMALL.replace("identities = 30, images = 6", "identities = 16, images = 3").replace(
    "pictures = 2", "pictures = 0"
)


def faceleak(*words: str, store: Path, wait: bool = True) -> subprocess.Popen[str]:
    """The command in a process of its own; waited for, ``output`` is what it said and ``spent`` its CPU seconds."""
    environment = os.environ | {"FACELEAK_STORE": str(store), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "faceleak", *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment, cwd=store,
    )  # fmt: skip
    if wait:
        watch = threading.Timer(240, process.kill)
        watch.start()
        assert process.stdout is not None
        process.output = process.stdout.read()  # type: ignore[attr-defined]
        process.stdout.close()
        # Of this process and those that it waited for: deaf to what runs beside it, and to what this one began before.
        _, status, usage = os.wait4(process.pid, 0)
        watch.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        process.spent = usage.ru_utime + usage.ru_stime  # type: ignore[attr-defined]
    return process


def stable(results: Path) -> pd.DataFrame:
    """What a repeated run must reproduce to the letter."""
    frame = pd.read_csv(results, dtype=str, keep_default_na=False)
    return frame[~frame["metric"].isin(TIMING_METRICS)].drop(columns=list(VOLATILE)).reset_index(drop=True)
