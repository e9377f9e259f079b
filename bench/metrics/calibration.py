"""What a threshold rests on, small enough to be kept: the scores around it, and who the false accepts are of.

A threshold is an estimate. Its calibration people are a sample, and comparisons that share a person are not
independent: two hundred false accepts may be seventy pairs of people, and half of these may share one person. Here the
relative error of the false match rate at a threshold is drawn by resampling the calibration identities, to first order:

    delta = c t sum_i (w_i - 1) r_i / A,   e_ij = A_ij - p N_ij,  r_i = sum_j e_ij,  p = A / N
    c^2   = max(R - E, E) / R,             R = sum_i r_i^2,  E = sum_{i<j} e_ij^2

A_ij and N_ij are the accepted and the compared image pairs of two people, A and N those of all, w the multiplicities of
identities drawn with replacement. R counts the noise of a pair of people once for each of its two owners, c takes one
of them out again: the dyadic cluster-robust variance R - E (Aronow, Samii, Assenova, Political Analysis 2015), never
less than that of independent pairs of people, nor than what larger rates say of how people and pairs differ
(``borrowed.py``: where that is more, it is c^2 R / A^2). t widens it as Student's t does, with the degrees of freedom
left where few people decide. On the scale of

    eta = 2 asinh(delta / 2) - h / 2,      h = max(R - 2 E, 0) / A^2, or what was borrowed of people where it is more

Wilson's interval of a rare rate is symmetric about it; and people multiply a rate, so the log of its estimate lies too
low by half of their part h of its variance. The rate that was truly reached is p exp(-eta), and the threshold that
would have reached the target is the one that lets p exp(eta) through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from .arrays import FloatArray, MetricInputError
from .borrowed import Compared, borrowed
from .thresholds import REFUSE_BELOW, WARN_BELOW, Threshold, allowed_accepts

_BELOW = 256  # scores kept under the tail, thinly: thresholds are drawn there too


@dataclass(frozen=True, eq=False)
class Calibration:
    """The impostor scores of I calibration people, as far as thresholds at F false match rates need them.

    Attributes:
        fmrs: (F,) targets, fractions.
        tail: (T,) the largest scores, ascending.
        tail_of: how many scores there were in all.
        tail_below: (m,) scores under the tail, ascending, at evenly spaced ranks.
        compared: (I,) image pairs of each person with others.
        accepts: (F, I) those of them that are accepted at each threshold.
        accept_pairs: (F,) pairs of people with an accepted image pair.
        accept_squares: (F,) E above.
        borrowed: (F, 2) relative variance of each rate, of people and of pairs, as larger rates tell it; zeros where
            none does, and of evidence from before it was kept, whose intervals are those of then.
    """

    fmrs: npt.NDArray[np.float64]
    tail: FloatArray
    tail_of: int
    tail_below: FloatArray
    compared: npt.NDArray[np.int64]
    accepts: npt.NDArray[np.int64]
    accept_pairs: npt.NDArray[np.int64]
    accept_squares: npt.NDArray[np.float64]
    borrowed: npt.NDArray[np.float64]

    def kept(self) -> dict[str, np.ndarray]:
        """As arrays by name."""
        return {one.name: np.asarray(getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def of(cls, kept: Mapping[str, np.ndarray]) -> Calibration:
        """From what ``kept`` gave.

        Raises:
            KeyError: a part is missing.
        """
        parts: dict[str, Any] = {one.name: kept[one.name] for one in fields(cls) if one.name != "borrowed"}
        parts["borrowed"] = kept["borrowed"] if "borrowed" in kept else np.zeros((len(kept["fmrs"]), 2))
        return cls(**parts | {"tail_of": int(kept["tail_of"])})

    def threshold(self, fmr: float) -> Threshold | None:
        """The smallest one whose FMR does not exceed ``fmr``; None where too little stands behind it."""
        allowed = allowed_accepts(fmr, self.tail_of)
        if allowed < REFUSE_BELOW or self.accept_pairs[self._place(fmr)] < REFUSE_BELOW:
            return None
        value = self.tail[len(self.tail) - 1 - allowed]
        accepted, pairs = int((self.tail > value).sum()), int(self.accept_pairs[self._place(fmr)])
        share = accepted / self.tail_of
        people = len(self.compared)
        return Threshold(float(value), fmr, share, accepted, self.tail_of, people, pairs < WARN_BELOW, pairs)

    def errors(self, fmr: float, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(B,) eta: draws of the relative error of the FMR at the threshold.

        Args:
            fmr: one of ``fmrs``.
            weights: (B, I) multiplicities of the calibration people.
        """
        place = self._place(fmr)
        own, all_own = self.accepts[place].astype(np.float64), self.compared.astype(np.float64)
        residual = own - own.sum() / all_own.sum() * all_own
        both, noise = float(residual @ residual), float(self.accept_squares[place])
        if not own.any() or both <= 0:
            return np.zeros(len(weights))
        accepted = own.sum() / 2  # every image pair has two owners
        variance, people = max(both - noise, noise) / accepted**2, max(both - 2 * noise, 0.0) / accepted**2
        lent = self.borrowed[place]
        if lent.sum() > variance:
            variance, people = float(lent.sum()), max(people, float(lent[0]))
        delta = np.sqrt(variance / both) * _wider(residual) * ((weights - 1) @ residual)
        return np.asarray(2 * np.arcsinh(delta / 2) - people / 2)

    def thresholds(self, fmr: float, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(B,) draws of the threshold, as ``errors``."""
        found = self.threshold(fmr)
        if found is None:
            raise MetricInputError(f"FMR {fmr:g} has no threshold: too few false accepts stand behind it")
        ranks = np.floor(found.false_accepts * np.exp(self.errors(fmr, weights))).astype(np.int64)
        ranks = np.maximum(ranks, 0)  # accepted comparisons: the threshold is the next largest score
        inside = np.minimum(ranks, len(self.tail) - 1)
        drawn = self.tail[len(self.tail) - 1 - inside].astype(np.float64)
        if len(self.tail_below):
            beyond = ranks >= len(self.tail)
            at = _below_ranks(len(self.tail), self.tail_of)
            place = np.minimum(np.searchsorted(at, ranks[beyond]), len(at) - 1)
            drawn[beyond] = self.tail_below[::-1][place]
        return drawn

    def reached(self, fmr: float, weights: npt.NDArray[np.float64], level: float) -> tuple[float, float]:
        """Interval of the FMR that the threshold truly has."""
        found = self.threshold(fmr)
        if found is None:
            raise MetricInputError(f"FMR {fmr:g} has no threshold: too few false accepts stand behind it")
        drawn = np.minimum(found.fmr * np.exp(-self.errors(fmr, weights)), 1.0)
        lo, hi = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        return float(lo), float(hi)

    def _place(self, fmr: float) -> int:
        places = np.flatnonzero(np.isclose(self.fmrs, fmr, rtol=1e-9, atol=0))
        if not len(places):
            raise MetricInputError(f"FMR {fmr:g} was not calibrated; known: {self.fmrs.tolist()}")
        return int(places[0])


def calibration(
    scores: npt.ArrayLike, first: npt.ArrayLike, second: npt.ArrayLike, fmrs: Sequence[float]
) -> Calibration:
    """Condense impostor scores.

    Args:
        scores: (n,) similarities of image pairs of two people.
        first: (n,) the one person of each pair, integers from 0.
        second: (n,) the other.
        fmrs: targets, fractions.

    Raises:
        MetricInputError: lengths differ, or there is no pair.
    """
    scores, one, two = np.asarray(scores), np.asarray(first, np.int64), np.asarray(second, np.int64)
    if scores.ndim != 1 or not len(scores) or not scores.shape == one.shape == two.shape:
        raise MetricInputError(
            f"scores are {scores.shape}, people {one.shape} and {two.shape}; pass one pair per score"
        )
    n, people = len(scores), int(max(one.max(), two.max())) + 1
    order = np.sort(scores)
    most = min(n, int(max(fmrs) * n) + 2)
    pair = np.minimum(one, two) * people + np.maximum(one, two)
    totals = np.bincount(pair, minlength=people * people).astype(np.float64)
    compared = np.bincount(one, minlength=people) + np.bincount(two, minlength=people)
    accepts, pairs, squares = [], [], []
    for fmr in fmrs:
        hit = scores > order[n - 1 - min(allowed_accepts(fmr, n), n - 1)]
        accepts.append(np.bincount(one[hit], minlength=people) + np.bincount(two[hit], minlength=people))
        counts = np.bincount(pair[hit], minlength=people * people)
        pairs.append(np.count_nonzero(counts))
        squares.append(float(np.square(counts - hit.mean() * totals).sum()))
    below = order[n - 1 - _below_ranks(most, n)][::-1]
    lent = borrowed(scores, order, Compared(one, two, pair, people), fmrs)
    return Calibration(
        np.array(fmrs, np.float64), order[n - most :], n, below, compared, np.array(accepts), np.array(pairs),
        np.array(squares), lent,
    )  # fmt: skip


def _wider(residual: npt.NDArray[np.float64]) -> float:
    """How much wider the draws must be because their variance is an estimate from I people, few of whom may decide it:
    Student's t for the normal, with the degrees of freedom that the fourth moment leaves (Satterthwaite)."""
    n, squares = len(residual), np.square(residual)
    excess = float(np.square(squares).sum() / squares.sum() ** 2 - 1 / n)
    freedom = min(2 / excess, n - 1) if excess > 0 else n - 1
    return float(stdtrit(max(freedom, 1.0), 0.975) / ndtri(0.975) * np.sqrt(n / (n - 1)))


def _below_ranks(tail: int, n: int) -> npt.NDArray[np.int64]:
    """Ranks from the top, the largest score having 0, of the scores kept under a tail."""
    most = min(n, 4 * tail) - tail
    return tail + np.unique(np.linspace(0, max(most - 1, 0), min(_BELOW, most)).astype(np.int64))
