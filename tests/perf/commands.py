"""What people wait for: commands that answer at once, and a run by two workers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from perf.pairs import Measured, of, ratio, seconds

ROOT = Path(__file__).resolve().parent.parent.parent
TOYS = ROOT / "tests" / "toys.py"
_DECODER = """
[[defenses]]
name = "none"
surfaces = ["template"]
[[attacks]]
name = "decoder"
knowledge = ["K0"]
settings = {{ steps = {steps}, width = 48, batch = 32, student_steps = 5, feature_batch = 8 }}
"""


def faceleak(*words: str, store: str = "") -> str:
    """What a command says, in a process of its own with one thread.

    Raises:
        RuntimeError: it fails.
    """
    own = {"FACELEAK_STORE": store} if store else {}
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | own
    done = subprocess.run([sys.executable, "-m", "faceleak", *words], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"faceleak {' '.join(words)}: {(done.stdout + done.stderr)[-300:]}")
    return done.stdout


def answers(toy: bool) -> Iterator[Measured]:
    """Files are read once before."""
    goes = 1 if toy else 5
    for name, words in (("list", ("list", "attacks")), ("doctor", ("doctor",))):
        faceleak(*words)
        yield of(name, [seconds(lambda: faceleak(*words)) for _ in range(goes)])  # noqa: B023


def toy_track(folder: Path, title: str, seeds: int, more: str) -> str:
    """The path of a track of toy faces, with so many seeds."""
    from systems import TOY_TRACK

    file = folder / f"{title}.toml"
    small = TOY_TRACK.replace("bootstrap = 200", "bootstrap = 100").replace("pictures = 2", "pictures = 0")
    file.write_text(f"seeds = {list(range(seeds))}\n{small}{more}")
    return str(file)


def workers(toy: bool) -> Iterator[Measured]:
    """Twelve fits of a decoder that share nothing, on an empty store each time."""
    if (os.cpu_count() or 1) < 2:
        yield Measured("workers", None, note="absent: this machine has one core")
        return
    with tempfile.TemporaryDirectory() as folder:
        track = toy_track(Path(folder), "equal", 2 if toy else 12, _DECODER.format(steps=2 if toy else 150))

        def run(count: int) -> None:
            with tempfile.TemporaryDirectory() as place:
                words = ("--threads", "1", "--no-report", "--quiet", "--plugin", str(TOYS), "--out", f"{place}/run")
                faceleak("run", track, "--workers", str(count), *words, store=f"{place}/store")

        yield ratio("workers", lambda: run(1), lambda: run(2), 1 if toy else 2, processes=True)
