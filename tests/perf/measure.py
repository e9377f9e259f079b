"""The benchmarks: ratios measured in one run, their goals and whether they hold, into results/perf.csv.

    make perf                                            # all; results/perf.csv
    make perf ARGS="--only searches,quality --out x.csv" # some
    make perf ARGS="--toy"                               # small forms, whether it works at all: build/perf.csv

What is compared is timed in turns on the same machine, in processor time of one thread (processes in wall time), and
the median over pairs is the line's value. A goal that is missed is a line that says so; the exit status is 0 all the
same, since a machine that does something else meanwhile is no defect. What cannot be measured says why instead.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before any library counts the cores
TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
sys.path.insert(0, str(TESTS))

import torch  # noqa: E402
from faceleak.bench.core.registry import load_plugin  # noqa: E402
from faceleak.bench.run.provenance import environment  # noqa: E402

load_plugin(str(TESTS / "toys.py"))  # before `systems`, which takes toys through the registry

from perf import commands, growth, metrics, networks  # noqa: E402
from perf.goals import GOALS  # noqa: E402
from perf.pairs import Measured  # noqa: E402

COLUMNS = (
    "name", "compares", "value", "unit", "goal", "holds", "low", "high", "note", "cpu", "cores", "torch", "command",
    "commit",
)  # fmt: skip
CHECKS: dict[str, Callable[[bool], Iterator[Measured]]] = {
    "training": networks.training, "transforms": networks.transforms, "searches": metrics.searches,
    "quality": metrics.quality, "intervals": metrics.intervals, "renderer": networks.renderer,
    "answers": commands.answers, "workers": commands.workers, "galleries": growth.galleries, "cells": growth.cells,
}  # fmt: skip
_NAMES = {
    "training": ("training-step",), "transforms": ("bdct", "bdct-exact"),
    "searches": ("search", "search-faiss-engine"), "quality": ("ssim", "ssim-single", "psnr", "psnr-single"),
    "intervals": ("resamples", "resamples-hierarchical"), "renderer": ("renderer", "renderer-processes"),
    "answers": ("list", "doctor"), "workers": ("workers",),
    "galleries": tuple(name for name in GOALS if name.startswith("gallery")),
    "cells": tuple(name for name in GOALS if name.startswith("cells")),
}  # fmt: skip


def lines(checks: list[str], toy: bool) -> Iterator[dict[str, object]]:
    """A row of the table for every line of the goals' that the checks measure, in their order."""
    machine = about(toy, checks)
    for check in checks:
        found: dict[str, Measured] = {}
        note = "breaks: it measured nothing"
        try:
            for one in CHECKS[check](toy):
                found[one.name] = one
        except Exception as error:  # one that breaks must not hide the others
            told = re.sub(
                r"(?<![\w.])/[^\s'\"]*/", "", f"{type(error).__name__}: {error}"
            )  # no folders of this machine
            note = f"breaks: {told}"[:300].replace("\n", " ")
        for name in _NAMES[check]:
            yield row(found.get(name, Measured(name, None, note=note))) | machine


def row(one: Measured) -> dict[str, object]:
    """What a line says of what was measured."""
    goal = GOALS[one.name]
    if one.value is None:
        word = "absent" if one.note.startswith("absent") else "breaks"
        value = low = high = ""
    else:
        value, low, high = (f"{number:.4g}" for number in (one.value, one.low, one.high))
        word = {True: "hold", False: "miss", None: ""}[goal.holds(float(value))]
    return {
        "name": one.name, "compares": goal.compares, "value": value, "unit": goal.unit, "goal": goal.goal,
        "holds": word, "low": low, "high": high, "note": one.note,
    }  # fmt: skip


def about(toy: bool, checks: list[str]) -> dict[str, object]:
    """The machine, the command and the commit; neither names of hosts nor folders."""
    known = environment(torch.device("cpu"))
    words = ["make perf"] if checks == list(CHECKS) else [f'make perf ARGS="--only {",".join(checks)}"']
    return {
        "cpu": known["cpu"], "cores": known["cores"], "torch": known["torch"],
        "command": words[0] + (" (toy)" if toy else ""),
        "commit": known["code_sha"] + ("+changes" if known["dirty"] else ""),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help=f"some of {', '.join(CHECKS)}, commas between")
    parser.add_argument("--toy", action="store_true", help="small forms of everything: whether it works at all")
    parser.add_argument("--out", type=Path, help="results/perf.csv, or build/perf.csv of a part or a try")
    given = parser.parse_args()
    chosen = given.only.split(",") if given.only else list(CHECKS)
    if unknown := set(chosen) - CHECKS.keys():
        print(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(CHECKS)}.", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    whole = not given.only and not given.toy
    out, start, rows = given.out or ROOT / ("results" if whole else "build") / "perf.csv", time.monotonic(), []
    for one in lines(chosen, given.toy):
        rows.append(one)
        print(f"{one['name']:24} {one['value']:>10} {one['unit']:9} {one['goal']:8} {one['holds']:7} {one['note']}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    missed = [str(one["name"]) for one in rows if one["holds"] in ("miss", "breaks")]
    place = out.resolve().relative_to(ROOT) if out.resolve().is_relative_to(ROOT) else out
    print(f"{place}, in {time.monotonic() - start:.0f} s; missed: {', '.join(missed) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
