"""Searches among a million people: time, peak memory, and that both engines count alike.

python tests/perf/large_gallery.py [--people 1000000] [--probes 500] [--engine blocked|faiss] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from faceleak.bench.core.memory import count_anew, peak_memory
from faceleak.bench.metrics.searching import Engine, Found, search

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
_CPU = torch.device("cpu")
_STEP = 4096  # vectors made at once: making them must not take more memory than searching does


@dataclass(frozen=True)
class Searched:
    """What was found, and what it took.

    Args:
        found: counts and best scores.
        seconds: of the search alone.
        peak_gib: most memory of the process, the gallery included.
        searching_mib: by how much the search raised that.
    """

    found: Found
    seconds: float
    peak_gib: float
    searching_mib: float


def vectors(n: int, dim: int, seed: int) -> np.ndarray:
    """(n, dim) random, of unit norm, made in blocks."""
    rng, found = np.random.default_rng(seed), np.empty((n, dim), np.float32)
    for start in range(0, n, _STEP):
        part = found[start : start + _STEP]
        rng.standard_normal(out=part, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return found


def probes_and_mates(n: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, dim) each, of unit norm: searches from hopeless to found, and whom they should find."""
    mates, noise = vectors(n, dim, 1), vectors(n, dim, 2)
    mixed = mates * np.linspace(0, 0.5, n, dtype=np.float32)[:, None] + noise
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True), mates


def measured(people: int, probes: int, engine: Engine, dim: int = 512) -> Searched:
    """Search among random people."""
    gallery, (x, mates) = vectors(people, dim, 0), probes_and_mates(probes, dim)
    search(x[:2], gallery[:8], [8], mates[:2], engine=engine)  # libraries take their own memory at the first call
    count_anew(_CPU)
    before = peak_memory(_CPU)
    start = time.perf_counter()
    found = search(x, gallery, sorted({0, people // 1000, people // 10, people}), mates, engine=engine)
    seconds, peak = time.perf_counter() - start, peak_memory(_CPU)
    return Searched(found, seconds, peak / 1024, peak - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--probes", type=int, default=500)
    parser.add_argument("--engine", choices=["blocked", "faiss"], default="blocked")
    parser.add_argument("--json", action="store_true", help="say it to a program")
    given = parser.parse_args()
    took = measured(given.people, given.probes, given.engine)
    if given.json:
        print(json.dumps({name: getattr(took, name) for name in ("seconds", "peak_gib", "searching_mib")}))
        return
    first = (took.found.above == 0).mean(0)
    print(f"{given.probes} probes in {given.people:,} x 512 by {given.engine}: {took.seconds:.2f} s, "
          f"peak {took.peak_gib:.2f} GiB, {took.searching_mib:.0f} MiB of it for the search")  # fmt: skip
    print(f"rank 1 by size: {np.round(first, 3).tolist()}; counted in all: {int(took.found.above.sum())}")


if __name__ == "__main__":
    main()
