"""Paired comparisons from kept scores: attacks on one system, and defences by their strongest attack.

Differences of SAR Type-II are paired by victim. Their interval draws victims and thresholds anew, the same for both
sides, and of several seeds adds Student's t of the seeds' differences; p is that of the exact sign-flip test over
victims, corrected by Holm's method over all comparisons of one data set, recogniser, surface and kind. A difference is
called significant where the corrected p is below 1 - level and the interval excludes 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ..metrics.comparisons import Difference, difference, holm
from .board_attributes import split_probes
from .kept_rates import Rates, read_rates, shared
from .load import RunFolder
from .rows import AttackId, View, view_of
from .significance import ATTACKS, BETWEEN, DEFENSES, SIGNIFICANCE_COLUMNS, Place, read_table
from .strongest import strongest, value_of

Victims: TypeAlias = "tuple[tuple[int, tuple[str, ...]], ...]"  # seed and who is compared in it
_GROUP = ["dataset", "recognizer", "surface", "kind"]


class Kept:
    """Rates of every attack that kept scores, by judge and seed."""

    def __init__(self, run: RunFolder, view: View, problems: list[str]) -> None:
        self.view = view
        protocol: Mapping[str, Any] = run.run.get("protocol") or {}
        self.level, self.resamples = float(protocol.get("level", 0.95)), int(protocol.get("bootstrap", 2000))
        self.redrawn = run.seeds_redraw
        self.rates: dict[tuple[AttackId, str], dict[int, Rates]] = {}
        self._means: dict[tuple[AttackId, str, Victims], tuple[np.ndarray, np.ndarray]] = {}
        for cell in run.cells:
            if who := view.who.get(cell.path.name):
                for judge, rates in read_rates(cell, view.fmr, self.resamples, problems).items():
                    self.rates.setdefault((who, judge), {})[cell.seed] = rates

    def compare(
        self, a: tuple[AttackId, str], b: tuple[AttackId, str], elsewhere: Kept | None = None
    ) -> tuple[Difference, list[float]] | None:
        """A minus B, and the difference in each seed; None where they share no victim or seed.

        Paired within a seed. Where seeds redraw the splits a seed's difference is over its own victims, and who is one
        in several seeds is one person of the test and of the resamples.

        Args:
            a: attack and judge.
            b: the same.
            elsewhere: the run that b is of, where it is another one.
        """
        there = elsewhere or self
        one, other = self.rates[a], there.rates[b]
        victims = _victims(one, other, self.redrawn or there.redrawn)
        if not victims:
            return None
        mine, my_draws = self._mean(a, victims)
        its, its_draws = there._mean(b, victims)
        found = difference(mine, its, my_draws - its_draws, self.level)
        gaps = [float(one[seed].of(people).mean() - other[seed].of(people).mean()) for seed, people in victims]
        return widened(found, gaps, self.level), gaps

    def _mean(self, who: tuple[AttackId, str], victims: Victims) -> tuple[np.ndarray, np.ndarray]:
        """(U,) by person, whose mean is the mean over seeds of these' means over their people, and (B,) its draws."""
        key = (*who, victims)
        if key not in self._means:
            every = tuple(sorted({name for _, people in victims for name in people}))
            parts = [(self.rates[who][seed], people) for seed, people in victims]
            own = [part.among(people, every) for part, people in parts]
            draws = [part.draws(people, every) for part, people in parts]
            self._means[key] = np.mean(own, axis=0), np.mean(draws, axis=0)
        return self._means[key]


def _victims(one: Mapping[int, Rates], other: Mapping[int, Rates], redrawn: bool) -> Victims:
    """Whom both have, by seed: in all seeds alike, unless seeds have people of their own."""
    seeds = sorted(set(one) & set(other))
    if redrawn:
        found = [(seed, shared([one[seed], other[seed]])) for seed in seeds]
    else:
        people = shared([side[seed] for side in (one, other) for seed in seeds])
        found = [(seed, people) for seed in seeds]
    return tuple((seed, people) for seed, people in found if people)


def widened(found: Difference, gaps: list[float], level: float) -> Difference:
    """``found`` with the spread of its seeds' differences in the interval, by MOVER."""
    if len(gaps) < 2:
        return found
    spread = float(np.std(gaps, ddof=1) / np.sqrt(len(gaps)) * stdtrit(len(gaps) - 1, (1 + level) / 2))
    lo, hi = (
        found.value - np.hypot(found.value - found.lo, spread),
        found.value + np.hypot(found.hi - found.value, spread),
    )
    return Difference(found.value, float(lo), float(hi), found.p, found.n)


def compared_of(run: RunFolder, problems: list[str]) -> pd.DataFrame | None:
    """Paired comparisons from the scores that cells kept; where none were (a committed run) those of its boards."""
    view = view_of(run, split_probes(run.results)[1])
    table = compare_run(run, view, problems)
    if len(table):
        return table
    file = run.path / "boards" / "significance.csv"
    return read_table(file) if file.is_file() else None


def compare_run(run: RunFolder, view: View, problems: list[str]) -> pd.DataFrame:
    """The long table; empty where no cell of the run has kept scores.

    Args:
        run: the run folder with its cells.
        view: of its rows.
        problems: gets one sentence per file that could not be read.
    """
    kept = Kept(run, view, problems)
    rows = [*_attacks(kept, view), *_defenses(kept, view)]
    table = pd.DataFrame(rows, columns=list(SIGNIFICANCE_COLUMNS))
    for _, group in table.groupby(_GROUP):
        table.loc[group.index, "p_holm"] = holm(group["p"].tolist())
    apart = (table["difference_lo"].astype(float) > 0) | (table["difference_hi"].astype(float) < 0)
    proven = apart & (table["p_holm"].astype(float) < 1 - kept.level)
    return table.assign(significant=np.where(proven, "yes", "no")) if len(table) else table


def _attacks(kept: Kept, view: View) -> Iterator[dict[str, Any]]:
    """Every two attacks or floors of a system that the same judge decides about."""
    groups: dict[tuple[Place, str], list[AttackId]] = {}
    for who in sorted(view.cells):
        judge = view.judge_of(who)
        if (who, judge) in kept.rates and view.role(who) != "ceiling":
            place = Place(who.dataset, who.recognizer, who.surface, ATTACKS, who.defense)
            groups.setdefault((place, judge), []).append(who)
    for (place, judge), members in groups.items():
        for a, b in combinations(members, 2):
            if found := kept.compare((a, judge), (b, judge)):
                yield _row(place, judge, (a.label, b.label), (_value(view, a, judge), _value(view, b, judge)), found)


def _defenses(kept: Kept, view: View) -> Iterator[dict[str, Any]]:
    """Every two defences of a surface, each by the attack that it is ranked by."""
    groups: dict[Place, dict[str, tuple[AttackId, str]]] = {}
    for system in sorted({(who.dataset, who.recognizer, who.surface, who.defense) for who in view.cells}):
        here = [who for who in view.cells if (who.dataset, who.recognizer, who.surface, who.defense) == system]
        attacks = [who for who in here if view.role(who) != "ceiling"]
        choices = [choice for pictures in (True, False) if (choice := strongest(view, attacks, pictures=pictures))]
        best = max(choices, key=lambda one: _value(view, one.who, one.judge), default=None)
        if best is not None and (best.who, best.judge) in kept.rates:
            groups.setdefault(Place(*system[:3], DEFENSES), {})[system[3]] = (best.who, best.judge)
    for place, members in groups.items():
        for (name, a), (other, b) in combinations(members.items(), 2):
            if found := kept.compare(a, b):
                judge = a[1] if a[1] == b[1] else f"{a[1]}, {b[1]}"
                yield _row(place, judge, (name, other), (_value(view, *a), _value(view, *b)), found)


def _value(view: View, who: AttackId, judge: str) -> float:
    return value_of(view.get(who, "sar_type2", judge))


def _row(
    place: Place, judge: str, names: tuple[str, str], values: tuple[float, float], found: tuple[Difference, list[float]]
) -> dict[str, Any]:
    gap, seeds = found
    spread = float(np.std(seeds, ddof=1)) if len(seeds) > 1 else np.nan
    return place._asdict() | {
        "judge": judge, "a": names[0], "b": names[1], "a_value": values[0], "b_value": values[1],
        "difference": gap.value, "difference_lo": gap.lo, "difference_hi": gap.hi, BETWEEN: spread,
        "p": gap.p, "n": gap.n, "n_seeds": len(seeds),
    }  # fmt: skip
