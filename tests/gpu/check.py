"""What a GPU does with the suite, in ten minutes at most: does it work, are its numbers right, is it fast.

    make gpu-check                                   # on cuda; results/gpu/NAME.json and NAME.csv
    make gpu-check ARGS="--device cpu --toy"         # a try without one, in minutes; into build/gpu-check/

Each line of the table is one thing that was looked at: a number or a word, its goal, and whether it holds (empty where
it has no goal). What there was no time for, or cannot be asked of the device, is a line too. Nothing is downloaded. The
exit status is 1 where a goal is missed.

`sync` looks at the training loop with data on the device; a loss that fetches its pictures from the processor waits for
their copy. `contract` runs the contract tests of attacks and defences with their toy systems on the device
(FACELEAK_TEST_DEVICE).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
sys.path.insert(0, str(TESTS))

import torch  # noqa: E402
from faceleak.bench.core.device import choose_device  # noqa: E402
from faceleak.bench.core.errors import InputError  # noqa: E402
from faceleak.bench.core.registry import load_plugin  # noqa: E402

load_plugin(str(TESTS / "toys.py"))  # before `systems`, which takes toys through the registry

from gpu.lines import Check, Line  # noqa: E402
from gpu.rates import speed  # noqa: E402
from gpu.training_steps import precision, steps, waiting  # noqa: E402
from systems import TOY_TRACK  # noqa: E402

CONTRACTS = ("tests/defenses/test_contract.py", "tests/attacks/test_contract.py")
FEW = "biohash or mean-face or random-mask"  # of a try
TOY_CELLS = """
[[defenses]]
name = "none"
surfaces = ["template"]
[[defenses]]
name = "biohash"
surfaces = ["template"]
[[attacks]]
name = "mean-face"
[[attacks]]
name = "decoder"
settings = { steps = 20 }
"""


def contracts(check: Check) -> Iterator[Line]:
    """The contract tests of attacks and defences, their toy systems on the device."""
    asked = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *CONTRACTS]
    asked += ["-k", FEW] if check.toy else []
    told, seconds = _run(check, asked, {"FACELEAK_TEST_DEVICE": str(check.device)}, share=0.95)
    if told is None:
        yield Line("contract", "tests", "no end", note=f"stopped after {seconds:.0f} s")
        return
    passed, failed = (int((re.search(rf"(\d+) {word}", told) or [0, 0])[1]) for word in ("passed", "failed"))
    names = re.findall(r"^(?:FAILED|ERROR) (\S+)", told, re.MULTILINE)
    note = f"{', '.join(names[:20])}" if names else f"{seconds:.0f} s" if passed else told[-300:]
    yield Line("contract", "tests that pass", passed, "tests", "all", passed > 0 and not failed and not names, note)


def quick(check: Check) -> Iterator[Line]:
    """A whole run of the track `quick` (of a toy track in a try)."""
    with tempfile.TemporaryDirectory() as folder:
        track, extra = "quick", []
        if check.toy:
            track = str(Path(folder, "toy.toml"))
            Path(track).write_text(TOY_TRACK + TOY_CELLS)
            extra = ["--plugin", str(TESTS / "toys.py")]
        asked = [sys.executable, "-m", "faceleak", "run", track, "--device", str(check.device), *extra]
        asked += ["--out", f"{folder}/run", "--store", f"{folder}/store"]
        told, seconds = _run(check, asked, {}, share=0.7)
        if told is None:
            yield Line("quick", track, "no end", note=f"stopped after {seconds:.0f} s")
            return
        results, failures = (Path(folder, "run", name) for name in ("results.csv", "failures.csv"))
        rows, failed = (_table(file) for file in (results, failures))
        wrong = [row for row in failed if row.get("status") == "failed"]
        note = "; ".join(str(row.get("message", ""))[:80] for row in wrong[:3]) if rows else told[-300:]
        yield Line("quick", "cells that fail", len(wrong), "cells", "0", bool(rows) and not wrong, note)
        yield Line("quick", "time", round(seconds, 1), "s")


def _table(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines())) if file.is_file() else []


def _run(check: Check, asked: list[str], more: dict[str, str], share: float) -> tuple[str | None, float]:
    """What a command said, None if it did not end within its share of the time that is left; and its seconds."""
    start = time.monotonic()
    try:
        done = subprocess.run(
            asked, cwd=ROOT, env=os.environ | more, capture_output=True, text=True, timeout=share * check.left
        )
    except subprocess.TimeoutExpired:
        return None, time.monotonic() - start
    return done.stdout + done.stderr, time.monotonic() - start


CHECKS = {"sync": waiting, "bf16": precision, "step": steps, "images/s": speed, "quick": quick, "contract": contracts}


def machine(device: torch.device) -> dict[str, object]:
    """What the numbers hold for."""
    cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine()
    return {
        "device": name, "kind": device.type, "torch": torch.__version__, "python": platform.python_version(),
        "cuda": torch.version.cuda if cuda else None, "threads": torch.get_num_threads(),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--toy", action="store_true", help="small forms of everything: whether it works at all")
    parser.add_argument("--only", default="", help=f"some of {', '.join(CHECKS)}, commas between")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path, help="folder; results/gpu for a whole check on a GPU")
    given = parser.parse_args()
    try:
        device = choose_device(given.device)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    check = Check(device, given.toy, time.monotonic() + 60 * given.minutes)
    about, lines = machine(check.device) | {"toy": given.toy}, []
    for name in given.only.split(",") if given.only else CHECKS:
        if check.left < 5:
            lines.append(Line(name, name, "no time"))
        else:
            for line in _safe(name, check):
                lines.append(line)
                held = {True: "holds", False: "MISSED", None: ""}[line.holds]
                print(
                    f"{line.check:9} {line.what:40} {line.value!s:>12} {line.unit:9} {line.goal:8} {held} {line.note}"
                )
    real = check.device.type != "cpu" and not given.toy
    folder = given.out or ROOT / ("results/gpu" if real else "build/gpu-check")
    _write(folder, about, lines)
    return int(any(line.holds is False for line in lines))


def _safe(name: str, check: Check) -> Iterator[Line]:
    """A check that breaks is a line, and the others go on."""
    try:
        yield from CHECKS[name](check)
    except Exception as error:
        yield Line(name, name, "breaks", goal="works", holds=False, note=f"{type(error).__name__}: {error}"[:300])


def _write(folder: Path, about: dict[str, object], lines: list[Line]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / re.sub(r"[^A-Za-z0-9]+", "-", str(about["device"])).strip("-")
    told = {**about, "lines": [asdict(line) for line in lines]}
    file.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    with file.with_suffix(".csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, ["device", *asdict(lines[0])], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"device": about["device"], **asdict(line)} for line in lines)
    print(f"{file}.json and .csv")


if __name__ == "__main__":
    sys.exit(main())
