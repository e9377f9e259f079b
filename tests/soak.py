"""Kill runs at random moments, many times, and see that nothing is lost, wrong or left behind.

    make soak KILLS=100
    python tests/soak.py --kills 100 --seed 0

Each round begins with an empty store. One, two or three runs work on it at the same time, the first two of them into
one run folder; some have workers of their own. At a random moment one of them gets SIGKILL: its first process alone, or
all of its processes; it is begun again, until the round's kills are spent. Then all go to
their end, and every board must be that of a run that nobody disturbed, byte for byte but for times; and there must be
no lock, no half-made artefact, no temporary file or folder and no process left.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TOYS = Path(__file__).with_name("toys.py")
VOLATILE = {"run_id", "train_s", "invert_s", "created"}  # as in bench/record/results.py, which imports torch
TIMES = {"protect_ms", "peak_memory_mb"}
MARK = "FACELEAK_SOAK"
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
[[attacks]]
name = "decoder"
settings = { steps = 20, width = 8, batch = 16, student_steps = 10, feature_batch = 8 }
knowledge = ["K0", "K3"]
"""


@dataclass
class Run:
    """One run: its folder, its words, and its process while there is one."""

    out: Path
    workers: int
    process: subprocess.Popen[str] | None = None
    kills: int = 0


class Soak:
    """Rounds of killing.

    Args:
        place: an empty folder.
        rng: of the moments.
    """

    def __init__(self, place: Path, rng: random.Random) -> None:
        self.place, self.rng, self.kills, self.rounds, self.seconds = place, rng, 0, 0, 60.0
        self.faults: list[str] = []
        (place / "tmp").mkdir()
        source = TOYS.read_text(encoding="utf-8").split('TOY_TRACK = """')[1].split('"""')[0]
        small = source.replace("identities = 84", "identities = 60").replace("bootstrap = 200", "bootstrap = 100")
        small = small.replace("identities = 30, images = 6", "identities = 16, images = 3")
        (place / "t.toml").write_text(small + CELLS, encoding="utf-8")

    def begin(self, run: Run, store: Path) -> None:
        """Begin a run, or go on with it."""
        words = [sys.executable, "-m", "faceleak", "run", str(self.place / "t.toml"), "--plugin", str(TOYS), "--out",
                 str(run.out), "--store", str(store), "--threads", "1", "--workers", str(run.workers), "--no-report",
                 "--quiet"]  # fmt: skip
        more = {"FACELEAK_SECRET_ROOT": "none", "TMPDIR": str(self.place / "tmp"), MARK: "1", "OMP_NUM_THREADS": "1",
                "FACELEAK_IN_PROCESS": "", "FACELEAK_KEEP_EVERY": "0.05"}  # fmt: skip
        run.process = subprocess.Popen(words, env=os.environ | more, text=True, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip

    def reference(self) -> str:
        """The board of a run that nobody disturbs; how long it takes sets the pace of the kills."""
        run, start = Run(self.place / "whole", 1), time.monotonic()
        self.begin(run, self.place / "store-whole")
        assert run.process is not None
        said = run.process.communicate()[0]
        assert run.process.returncode == 0, said
        self.seconds = time.monotonic() - start
        return board(run.out)

    def round(self, expected: str, kills: int) -> None:
        """One store, up to three runs, so many kills."""
        self.rounds += 1
        store, folder = self.place / f"store-{self.rounds}", self.place / f"round-{self.rounds}"
        folder.mkdir()
        names = ("a", "a", "b")[: 1 + self.rounds % 3]
        runs = [Run(folder / name, self.rng.choice((1, 2))) for name in names]
        for run in runs:
            self.begin(run, store)
        while kills and any(run.process for run in runs):
            time.sleep(self.rng.uniform(0.02, 0.5) * self.seconds)
            alive = [run for run in runs if run.process and run.process.poll() is None]
            if not alive:
                break
            kills -= 1
            self.kill(self.rng.choice(alive))
            for run in runs:
                if run.process is None:
                    self.begin(run, store)
        for run in runs:
            self.finish(run, store, expected)
        self.look(store, folder)
        shutil.rmtree(store)
        shutil.rmtree(folder)

    def kill(self, run: Run) -> None:
        """SIGKILL to a run's first process, or to all of them."""
        assert run.process is not None
        if self.rng.random() < 0.5:
            os.kill(run.process.pid, signal.SIGKILL)
        else:
            os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
        run.process = None
        self.kills, run.kills = self.kills + 1, run.kills + 1

    def finish(self, run: Run, store: Path, expected: str) -> None:
        """To its end, and once more: what it said while others were still at work is brought up to date."""
        for _ in range(2):
            if run.process is None:
                self.begin(run, store)
            assert run.process is not None
            said = run.process.communicate()[0]
            if run.process.returncode != 0:
                self.faults.append(f"round {self.rounds}: {run.out.name} ended with {run.process.returncode}:\n{said}")
            run.process = None
        if board(run.out) != expected:
            self.faults.append(f"round {self.rounds}: {run.out.name} has another board")

    def look(self, store: Path, folder: Path) -> None:
        """What must not be there any more."""
        time.sleep(1)
        left = [path for root in (store, folder) for path in root.rglob("*")
                if path.suffix in (".lock", ".tmp") or path.name.startswith(".")]  # fmt: skip
        left += list((store / "unfinished").glob("*")) + [
            one for one in (self.place / "tmp").iterdir() if not one.name.startswith("torchinductor")
        ]
        self.faults += [f"round {self.rounds}: {path.relative_to(self.place)} is left" for path in left]
        self.faults += [f"round {self.rounds}: process {number} is left" for number in living()]


def board(out: Path) -> str:
    """``results.csv`` without what times change."""
    rows = list(csv.DictReader(io.StringIO((out / "results.csv").read_text(encoding="utf-8"))))
    kept = [{name: value for name, value in row.items() if name not in VOLATILE} for row in rows
            if row["metric"] not in TIMES]  # fmt: skip
    return "\n".join(map(str, kept))


def living() -> list[int]:
    """Processes of the soak, but for this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"{MARK}=1".encode() in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marked:
            found.append(int(folder.name))
    return found


def main() -> None:
    """Kill as often as is asked for; the exit status says whether any fault was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        soak = Soak(Path(place), random.Random(asked.seed))
        expected = soak.reference()
        print(f"A run takes {soak.seconds:.0f} s when nobody disturbs it.", flush=True)
        while soak.kills < asked.kills and not soak.faults:
            soak.round(expected, min(10, asked.kills - soak.kills))
            print(f"{soak.kills} kills in {soak.rounds} rounds, {len(soak.faults)} faults", flush=True)
    print("\n".join(soak.faults) or f"{soak.kills} kills: every board whole and equal, nothing left behind.")
    sys.exit(bool(soak.faults))


if __name__ == "__main__":
    main()
