"""Searches among a million people: time, peak memory, and that both engines count alike.

python tests/perf/large_gallery.py [--people 1000000] [--probes 500] [--engine blocked|faiss]
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from faceleak.bench.metrics.searching import Engine, Found, search


def vectors(n: int, dim: int, seed: int) -> np.ndarray:
    """(n, dim) random, of unit norm, made in blocks."""
    rng, found = np.random.default_rng(seed), np.empty((n, dim), np.float32)
    for start in range(0, n, 65536):
        part = found[start : start + 65536]
        rng.standard_normal(out=part, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return found


def measured(people: int, probes: int, engine: Engine, dim: int = 512) -> tuple[Found, float, float]:
    """What was found, the seconds it took, and the process's peak memory in GiB."""
    gallery, mates = vectors(people, dim, 0), vectors(probes, dim, 1)
    noise = vectors(probes, dim, 2)
    mixed = mates * np.linspace(0, 0.5, probes, dtype=np.float32)[:, None] + noise  # from hopeless to found
    x = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    start = time.perf_counter()
    found = search(x, gallery, [0, people // 1000, people // 10, people], mates, engine=engine)
    seconds = time.perf_counter() - start
    return found, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--probes", type=int, default=500)
    parser.add_argument("--engine", choices=["blocked", "faiss"], default="blocked")
    given = parser.parse_args()
    found, seconds, peak = measured(given.people, given.probes, given.engine)
    first = (found.above == 0).mean(0)
    print(f"{given.probes} probes in {given.people:,} x 512 by {given.engine}: {seconds:.2f} s, peak {peak:.2f} GiB")
    print(f"rank 1 by size: {np.round(first, 3).tolist()}; counted in all: {int(found.above.sum())}")


if __name__ == "__main__":
    main()
