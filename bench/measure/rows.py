"""From numbers to rows: what every ``rows`` is written with. Pure: the run and ``verify`` call the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from ..core.seeding import Rng
from ..metrics.calibration import Calibration
from ..metrics.hierarchical import rate_interval
from ..metrics.intervals import Interval, mean_interval, resample_weights
from ..plan.track import Protocol
from ..record.metrics import Metric
from ..record.results import Row

TOO_FEW = "too few false accepts"  # stands where a refused row would say how its interval was made
CALIBRATION = "calibration"  # purpose of the resamples of calibration people
REASON = "reason"  # of a row that is absent; goes to the manifest, not into results.csv


@dataclass(frozen=True)
class Rules:
    """What rows follow from besides what was observed.

    Args:
        protocol: of the run.
        seed: of the cell.
    """

    protocol: Protocol
    seed: int

    def rng(self, purpose: str = "bootstrap") -> np.random.Generator:
        """A fresh generator, with the same numbers each time: all rows of a seed share their resamples."""
        return Rng(self.seed, purpose).numpy()

    def weights(self, n: int, purpose: str = "bootstrap") -> np.ndarray:
        """(B, n) how often each of n people is drawn in each resample, the same for all rows of a seed."""
        return _weights(self.seed, purpose, n, self.protocol.bootstrap)

    def mean(self, values: np.ndarray, *, rate: bool = False) -> Interval:
        """Mean over identities of (I,) ``values`` with its bootstrap interval; ``rate``: they are shares."""
        return mean_interval(values, [self.weights(len(values))], self.protocol.level, rate=rate)

    def above(
        self, scores: np.ndarray, owner: np.ndarray, known: Calibration, fmr: float, *, missed: bool = False
    ) -> Interval:
        """How often scores pass the threshold at ``fmr``, with its interval over victims and calibration people.

        Args:
            scores: (n,) similarities.
            owner: (n,) whose each is.
            known: what the threshold rests on.
            fmr: a rate that has one.
            missed: how often they do not pass.
        """
        threshold = known.threshold(fmr)
        assert threshold is not None, "refused rows have no rate"
        drawn = known.thresholds(fmr, self.weights(len(known.compared), CALIBRATION))
        victims, level = self.weights(len(np.unique(owner))), self.protocol.level
        return rate_interval(scores, owner, threshold.value, drawn, victims, level, missed=missed)

    def cut(self, known: Calibration, fmr: float) -> Row:
        """The columns of a threshold: where it lies, and between which rates the FMR that it truly has."""
        threshold = known.threshold(fmr)
        assert threshold is not None, "refused rows have no threshold"
        lo, hi = known.reached(fmr, self.weights(len(known.compared), CALIBRATION), self.protocol.level)
        return {"threshold": threshold.value, "fmr_lo": lo, "fmr_hi": hi}

    def average(self, metric: Metric, values: np.ndarray, owner: np.ndarray, *, judge: str = "") -> Row:
        """A row of ``metric``: mean over identities of the means of their (L,) ``values``, with its interval.

        Args:
            metric: a unit of ``fraction`` says that all values are shares, 0 to 1.
            values: (L,) one for each leak.
            owner: (L,) whose each is.
            judge: who judged, where somebody did.
        """
        found = self.mean(per_identity(values, owner), rate=metric.unit == "fraction")
        return measured(metric, row_of(metric, judge=judge), found)

    def number(self, metric: Metric, value: float, n: int | None = None, n_unit: str | None = None) -> Row:
        """A row of ``metric`` with a number that has no interval; ``n`` counts ``n_unit``."""
        return counted(metric, row_of(metric), value, n, n_unit)


def row_of(metric: Metric, *, name: str = "", judge: str = "", split: str = "victims", fmr: float | None = None) -> Row:
    """Which row it is, without its number; ``name`` where the metric's own has a part in braces."""
    return {"metric": name or metric.name, "split": split, "judge": judge, "fmr": fmr, "unit": metric.unit}


def measured(metric: Metric, row: Row, interval: Interval) -> Row:
    """``row`` with a number that has an interval over identities."""
    return row | columns_of(interval, metric.higher_is_better)


def counted(metric: Metric, row: Row, value: float, n: int | None = None, n_unit: str | None = None) -> Row:
    """``row`` with a number that has none."""
    return row | {"value": value, "n": n, "n_unit": n_unit, "higher_is_better": metric.higher_is_better}


def absent(row: Row, reason: str) -> Row:
    """``row`` of something that could not be computed for want of weights, labels or people: it has no unit."""
    return row | {"unit": "", "status": "absent", REASON: reason}


def refused(row: Row, why: str = TOO_FEW) -> Row:
    """``row`` at a rate that the calibration identities cannot support, or of a number that rests on too little."""
    return row | {"status": "refused", "ci_method": why}


def folded(metric: Metric, row: Row, folds: np.ndarray, n: int) -> Row:
    """``row`` with the mean over the folds of ``n`` pairs and its interval; of differences that of a paired test."""
    mean, error = float(folds.mean()), float(1.96 * folds.std(ddof=1) / np.sqrt(len(folds)))
    interval = {"ci_lo": mean - error, "ci_hi": min(1.0, mean + error)}
    method = {"ci_method": f"1.96 s / sqrt({len(folds)}) of folds"}
    return counted(metric, row, mean, n, "pairs") | interval | method


def columns_of(interval: Interval, up: bool | None) -> Row:
    """An interval as columns; ``higher_is_better`` is the metric's own point of view, None where it has none."""
    return {
        "value": interval.value,
        "ci_lo": interval.lo,
        "ci_hi": interval.hi,
        "ci_method": interval.method,
        "n": interval.n,
        "n_unit": "identities",
        "higher_is_better": up,
    }


def at_rates(
    metric: Metric,
    scores: np.ndarray,
    owner: np.ndarray,
    known: Calibration,
    rules: Rules,
    *,
    fmrs: Iterable[float] = (),
    judge: str = "",
    split: str = "victims",
    missed: bool = False,
) -> list[Row]:
    """A row at each FMR: the share of scores above its threshold, by person; refused where there is no threshold.

    Args:
        metric: of the rows.
        scores: (n,) similarities.
        owner: (n,) whose each is.
        known: what the thresholds rest on.
        rules: of the run.
        fmrs: those of the protocol, unless told.
        judge: whose scores they are.
        split: whom they are of.
        missed: count what does not lie above.
    """
    found = []
    for fmr in fmrs or rules.protocol.fmrs:
        row = row_of(metric, judge=judge, split=split, fmr=fmr)
        if known.threshold(fmr) is None:
            found.append(refused(row))
        else:
            rate = rules.above(scores, owner, known, fmr, missed=missed)
            found.append(measured(metric, row | rules.cut(known, fmr), rate))
    return found


@lru_cache(maxsize=16)
def _weights(seed: int, purpose: str, n: int, resamples: int) -> np.ndarray:
    weights = np.concatenate(list(resample_weights(n, Rng(seed, purpose).numpy(), resamples)))
    weights.flags.writeable = False
    return weights


def per_identity(values: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(I,) mean of ``values`` within each identity."""
    return pd.Series(values).groupby(owner).mean().to_numpy()
