"""How often the intervals hold the truth where the truth is known, thresholds included; the table of docs/metrics.md.

    python tests/coverages.py 400

A world has calibration people whose impostor scores are known in law, and victims whose recoveries score a_v +
photograph noise; so FMR and SAR are known. Scores of two people are u_i + u_j + p_ij + image noise, of variance 1 in
all but where said otherwise:

* ``alike``: no person and no pair is special;
* ``usual``: standard deviations of .3 for people and .4 for pairs;
* ``wolves``: .45 and .3, few people have most of the false accepts;
* ``heavy``: people's .35 is of a t distribution with four degrees of freedom, pairs .3;
* ``mixed``: one person in 25 scores 1.2 more with everybody, pairs .3;
* ``groups``: people are of six groups, and score .7 more within their own; people .2, pairs .3;
* ``photographs``: each of four photographs a person has a quality of its own, .3, beside people's .3 and pairs' .3.

Every world is calibrated once for all rates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from faceleak.bench.metrics.calibration import Calibration, calibration
from faceleak.bench.metrics.hierarchical import rate_interval, shares_above
from faceleak.bench.metrics.intervals import bootstrap_identities, resample_weights
from scipy.optimize import brentq
from scipy.stats import norm

FMRS, SARS = (0.1, 0.01, 0.001), (0.03, 0.5, 0.9)
VICTIMS, PHOTOGRAPHS, EACH, DRAWS = 120, 5, 4, 500
BETWEEN = WITHIN = 0.7  # of victims' scores
Effects = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class World:
    """What the impostor scores of two people are made of; standard deviations.

    Args:
        person: of what a person adds to each of its scores.
        pair: of what two people add to all of theirs.
        photograph: of what a photograph adds.
        tail: how people's part is drawn: "normal", "t" (four degrees of freedom), or "mixed".
        group: how much more people of one group of six score with each other.
    """

    person: float = 0.0
    pair: float = 0.0
    photograph: float = 0.0
    tail: str = "normal"
    group: float = 0.0

    @property
    def noise(self) -> float:
        """What is left for the image pair."""
        drawn = 0.0 if self.tail == "mixed" else self.person
        return float(np.sqrt(1 - 2 * drawn**2 - self.pair**2 - 2 * self.photograph**2))

    def effects(self, rng: np.random.Generator, people: int) -> np.ndarray:
        """(people,) what each adds."""
        if self.tail == "mixed":
            return self.person * (rng.uniform(size=people) < 0.04)
        if self.tail == "t":
            return self.person * rng.standard_t(4, size=people) / np.sqrt(2)
        return self.person * rng.normal(size=people)

    def sf(self, t: float) -> float:
        """The false match rate at threshold t."""
        if self.tail == "normal" and not self.group:
            return float(norm.sf(t))
        at, log = _curve(self)
        return float(np.exp(np.interp(t, at, log)))

    def isf(self, fmr: float) -> float:
        """The threshold that truly has a rate."""
        return float(brentq(lambda t: self.sf(t) - fmr, -1, 8, xtol=1e-6))


WORLDS = {
    "alike": World(), "usual": World(0.3, 0.4), "wolves": World(0.45, 0.3), "heavy": World(0.35, 0.3, tail="t"),
    "mixed": World(1.2, 0.3, tail="mixed"), "groups": World(0.2, 0.3, group=0.7),
    "photographs": World(0.3, 0.3, 0.3),
}  # fmt: skip


@lru_cache
def _curve(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds and the logs of their rates: the mean over what two people add that is not normal, drawn often."""
    rng, at = np.random.default_rng(1), np.linspace(-1, 8, 181)
    n = 200_000
    shift, rest = world.group * (np.arange(n) % 6 == 0), world.pair**2 + 2 * world.photograph**2 + world.noise**2
    if world.tail == "normal":
        rest += 2 * world.person**2
    else:
        shift = shift + world.effects(rng, n) + world.effects(rng, n)
    return at, np.log([norm.sf((t - shift) / np.sqrt(rest)).mean() for t in at])


class Covered(NamedTuple):
    """Shares of runs in which an interval held the truth."""

    threshold: float  # of the SAR, the threshold drawn too
    known: float  # of the SAR, as if the threshold were known
    fmr: float  # of the FMR that the threshold truly has
    thin: float  # share of runs whose threshold has F6
    runs: int


def scores_of(rng: np.random.Generator, people: int, world: World) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Impostor scores of all pairs of photographs of so many people, and the two people of each."""
    u, (i, j) = world.effects(rng, people), np.triu_indices(people, 1)
    group = rng.integers(0, 6, people)
    own = u[i] + u[j] + world.pair * rng.normal(size=len(i)) + world.group * (group[i] == group[j])
    scores = own[:, None, None] + world.noise * rng.normal(size=(len(i), EACH, EACH))
    if world.photograph:
        quality = world.photograph * rng.normal(size=(people, EACH))
        scores += quality[i][:, :, None] + quality[j][:, None, :]
    first, second = (np.repeat(side, EACH * EACH) for side in (i, j))
    return scores.ravel().astype(np.float32), first, second


def calibrated(rng: np.random.Generator, people: int, kind: str) -> Calibration:
    """Impostor scores of so many people, condensed."""
    return calibration(*scores_of(rng, people, WORLDS[kind]), FMRS)


def recoveries(rng: np.random.Generator, threshold: float, sar: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of victims' recoveries with their photographs, and whose they are; ``sar`` of them pass ``threshold``."""
    mean = threshold + norm.ppf(sar) * np.hypot(BETWEEN, WITHIN)
    own = mean + BETWEEN * rng.normal(size=VICTIMS)
    scores = own[:, None] + WITHIN * rng.normal(size=(VICTIMS, PHOTOGRAPHS))
    return scores.ravel(), np.repeat(np.arange(VICTIMS), PHOTOGRAPHS)


def coverage(runs: int, people: int, kind: str, seed: int = 0) -> dict[tuple[float, float], Covered]:
    """(FMR, SAR) -> shares of so many simulated boards; of those whose threshold was not refused."""
    rng, true = np.random.default_rng(seed), {fmr: WORLDS[kind].isf(fmr) for fmr in FMRS}
    found: dict[tuple[float, float], list[tuple[bool, bool, bool, bool]]] = {(f, s): [] for f in FMRS for s in SARS}
    for _ in range(runs):
        known = calibrated(rng, people, kind)
        own, victims = (np.concatenate(list(resample_weights(n, rng, DRAWS))) for n in (people, VICTIMS))
        for fmr in FMRS:
            threshold = known.threshold(fmr)
            if threshold is None:
                continue
            drawn, (least, most) = known.thresholds(fmr, own), known.reached(fmr, own, 0.95)
            right = bool(least <= WORLDS[kind].sf(threshold.value) <= most)
            for sar in SARS:
                scores, owner = recoveries(rng, true[fmr], sar)
                both = rate_interval(scores, owner, threshold.value, drawn, victims)
                alone = bootstrap_identities(shares_above(scores, owner, threshold.value)[1][:, 0], rng, DRAWS)
                held = (both.lo <= sar <= both.hi, alone.lo <= sar <= alone.hi, right, threshold.warn)
                found[fmr, sar].append(held)
    return {key: Covered(*np.mean(hits, axis=0).tolist(), len(hits)) for key, hits in found.items() if hits}


def main(runs: int) -> None:
    """Print the table."""
    print("| calibration | FMR | SAR .03 | SAR .5 | SAR .9 | threshold taken as known | the FMR itself | F6, refused |")
    print("|---|---|---|---|---|---|---|---|")
    for people in (60, 150):
        for number, kind in enumerate(WORLDS):
            found = coverage(runs, people, kind, seed=1000 * number + people)  # luck of its own for each
            for fmr in FMRS:
                row = [found[fmr, sar] for sar in SARS if (fmr, sar) in found]
                if row:
                    both = " | ".join(f"{one.threshold:.2f}" for one in row)
                    alone = ", ".join(f"{one.known:.2f}" for one in row)
                    marked = f"{row[0].thin:.2f}, {1 - row[0].runs / runs:.2f}"
                    told = f"| {people} people, {kind} | {fmr:g} | {both} | {alone} | {row[0].fmr:.2f} | {marked} |"
                    print(told, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
