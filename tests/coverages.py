"""How often the intervals hold the truth where the truth is known, thresholds included; the table of docs/metrics.md.

    python tests/coverages.py 250

A world has calibration people whose impostor scores are u_i + u_j + p_ij + image noise, of variance 1 in all, and
victims whose recoveries score a_v + photograph noise; so FMR and SAR are known. ``alike``: no person and no pair is
special; ``usual``: standard deviations of .3 for people and .4 for pairs; ``wolves``: .45 and .3, few people have most
of the false accepts. Every world is calibrated once for all rates.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
from faceleak.bench.metrics.calibration import Calibration, calibration
from faceleak.bench.metrics.hierarchical import rate_interval, shares_above
from faceleak.bench.metrics.intervals import bootstrap_identities, resample_weights
from scipy.stats import norm

WORLDS = {"alike": (0.0, 0.0), "usual": (0.3, 0.4), "wolves": (0.45, 0.3)}
FMRS, SARS = (0.1, 0.01, 0.001), (0.03, 0.5, 0.9)
VICTIMS, PHOTOGRAPHS, IMAGE_PAIRS, DRAWS = 120, 5, 16, 500
BETWEEN = WITHIN = 0.7  # of victims' scores


class Covered(NamedTuple):
    """Shares of runs in which an interval held the truth."""

    threshold: float  # of the SAR, the threshold drawn too
    known: float  # of the SAR, as if the threshold were known
    fmr: float  # of the FMR that the threshold truly has
    runs: int


def world(rng: np.random.Generator, people: int, kind: str) -> Calibration:
    """Impostor scores of so many people, condensed."""
    person, pair = WORLDS[kind]
    u = person * rng.normal(size=people)
    i, j = np.triu_indices(people, 1)
    rest = np.sqrt(1 - 2 * person**2 - pair**2)
    own = u[i] + u[j] + pair * rng.normal(size=len(i))
    scores = own[:, None] + rest * rng.normal(size=(len(i), IMAGE_PAIRS))
    first, second = (np.repeat(side, IMAGE_PAIRS) for side in (i, j))
    return calibration(scores.ravel().astype(np.float32), first, second, FMRS)


def recoveries(rng: np.random.Generator, fmr: float, sar: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of victims' recoveries with their photographs, and whose they are; the true SAR at the FMR is ``sar``."""
    mean = norm.isf(fmr) + norm.ppf(sar) * np.hypot(BETWEEN, WITHIN)
    own = mean + BETWEEN * rng.normal(size=VICTIMS)
    scores = own[:, None] + WITHIN * rng.normal(size=(VICTIMS, PHOTOGRAPHS))
    return scores.ravel(), np.repeat(np.arange(VICTIMS), PHOTOGRAPHS)


def coverage(runs: int, people: int, kind: str, seed: int = 0) -> dict[tuple[float, float], Covered]:
    """(FMR, SAR) -> shares of so many simulated boards; of those whose threshold was not refused."""
    rng = np.random.default_rng(seed)
    found: dict[tuple[float, float], list[tuple[bool, bool, bool]]] = {(f, s): [] for f in FMRS for s in SARS}
    for _ in range(runs):
        known = world(rng, people, kind)
        own, victims = (np.concatenate(list(resample_weights(n, rng, DRAWS))) for n in (people, VICTIMS))
        for fmr in FMRS:
            threshold = known.threshold(fmr)
            if threshold is None:
                continue
            drawn, (least, most) = known.thresholds(fmr, own), known.reached(fmr, own, 0.95)
            right = bool(least <= norm.sf(threshold.value) <= most)
            for sar in SARS:
                scores, owner = recoveries(rng, fmr, sar)
                both = rate_interval(scores, owner, threshold.value, drawn, victims)
                alone = bootstrap_identities(shares_above(scores, owner, threshold.value)[1][:, 0], rng, DRAWS)
                found[fmr, sar].append((both.lo <= sar <= both.hi, alone.lo <= sar <= alone.hi, right))
    return {key: Covered(*np.mean(hits, axis=0).tolist(), len(hits)) for key, hits in found.items() if hits}


def main(runs: int) -> None:
    """Print the table."""
    print("| calibration | FMR | SAR .03 | SAR .5 | SAR .9 | threshold taken as known | the FMR itself |")
    print("|---|---|---|---|---|---|---|")
    for people in (60, 150):
        for kind in WORLDS:
            found = coverage(runs, people, kind)
            for fmr in FMRS:
                row = [found[fmr, sar] for sar in SARS if (fmr, sar) in found]
                if row:
                    both = " | ".join(f"{one.threshold:.2f}" for one in row)
                    alone = ", ".join(f"{one.known:.2f}" for one in row)
                    told = f"| {people} people, {kind} | {fmr:g} | {both} | {alone} | {row[0].fmr:.2f} |"
                    print(told, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
