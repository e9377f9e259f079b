"""``make fuzz MINUTES=10``: every reader, mutated inputs, one process at a time; what is found is kept in ``found/``.

Inputs follow from the seed, the target and a number: a fault is found again by ``--target NAME --first NUMBER``.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from faceleak.bench.core.errors import FaceleakError

from .mutate import mutated
from .targets import TARGETS, Target
from .watch import Fault, Make, watch

FOUND = Path(__file__).parent / "found"
ROUND = 400  # inputs of a target of share 1 before the next has its turn


def maker(name: str, target: Target, seed: int) -> Make:
    """Number -> input of a target."""
    sound = list(target.seeds())

    def make(number: int) -> bytes:
        rng = random.Random(f"{seed}/{name}/{number}")
        return mutated(sound, rng, target.words, target.special)

    return make


def warm(target: Target, seed: bytes) -> None:
    """Import here what reading imports, so that no child does it again."""
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(FaceleakError):
        file = Path(folder) / f"input{target.suffix}"
        file.write_bytes(seed)
        target.read(file)


def keep(name: str, fault: Fault, data: bytes, folder: Path) -> Path:
    """An input that was found, where the tests read it from now on."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"{fault.kind}-{fault.number}{TARGETS[name].suffix}"
    file.write_bytes(data)
    return file


def campaign(names: Sequence[str], seconds: float, inputs: int, first: int, seed: int, folder: Path) -> bool:
    """Take turns until the time is over or every target had its inputs; whether nothing was found."""
    makers = {name: maker(name, TARGETS[name], seed) for name in names}
    for name in names:
        warm(TARGETS[name], next(iter(TARGETS[name].seeds())))
    done = collections.Counter(dict.fromkeys(names, 0))
    spent: collections.Counter[str] = collections.Counter()
    seen: dict[tuple[str, str], int] = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until and (not inputs or min(done.values()) < inputs):
        for name in names:
            count = max(1, int(ROUND * TARGETS[name].share))
            if inputs:
                count = min(count, inputs - done[name])
            start, begun = first + done[name], time.monotonic()
            read, faults = watch(
                TARGETS[name].read, makers[name], range(start, start + count), TARGETS[name].suffix, until
            )
            done[name] += read
            spent[name] += time.monotonic() - begun
            for fault in faults:
                where = (name, fault.where)
                seen[where] = seen.get(where, 0) + 1
                if seen[where] == 1:
                    file = keep(name, fault, makers[name](fault.number), folder)
                    print(f"FOUND {name} {fault.number}: {fault.where} ({file})\n   {fault.told[:400]}", flush=True)
        print(f"{sum(done.values())} inputs, {len(seen)} faults so far", flush=True)
    for name in names:
        causes = sum(1 for other, _ in seen if other == name)
        rate = done[name] / spent[name] if spent[name] else 0
        print(f"{name:12s} {done[name]:8d} inputs {rate:7.0f}/s  {causes} faults")
    print(f"{sum(done.values())} inputs, {len(seen)} faults, {sum(spent.values()):.0f} s")
    return not seen


def main() -> None:
    """The command line."""
    words = argparse.ArgumentParser(prog="make fuzz")
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--inputs", type=int, default=0, help="of each target; 0: until the time is over")
    words.add_argument("--first", type=int, default=0, help="number of the first input")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--target", action="append", choices=sorted(TARGETS), help="repeatable; else all")
    words.add_argument("--keep", type=Path, default=FOUND, help="folder for what is found")
    given = words.parse_args()
    warnings.simplefilter("ignore")
    names = given.target or list(TARGETS)
    if not campaign(names, 60 * given.minutes, given.inputs, given.first, given.seed, given.keep):
        sys.exit(1)


if __name__ == "__main__":
    main()
