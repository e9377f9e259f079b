"""How well a system verifies people: 10-fold accuracy, EER, TAR at a threshold, ROC, d-prime.

A comparison is accepted when its score is strictly above the threshold, everywhere:

    FMR(t) = #(impostor > t) / n_impostor,   TAR(t) = #(genuine > t) / n_genuine,   FNMR(t) = 1 - TAR(t)

A failed comparison (no face found) has score -inf: never accepted, always in the denominator.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .arrays import FloatArray, LabelArray, MetricInputError, check_labels, check_scores, check_values
from .pairs import Pairs, make_pairs

__all__ = [
    "Pairs",
    "Roc",
    "TenFold",
    "d_prime",
    "eer",
    "false_match_rate",
    "make_pairs",
    "roc",
    "tar_at",
    "tenfold_accuracy",
]


class TenFold(NamedTuple):
    """Cross-validated verification accuracy.

    Attributes:
        mean: mean accuracy over folds, fraction.
        standard_error: s / sqrt(folds), s the standard deviation over folds with folds - 1.
        per_fold: (folds,) accuracies, folds in sorted order.
        thresholds: (folds,) threshold applied to each fold, chosen on the others.
    """

    mean: float
    standard_error: float
    per_fold: FloatArray
    thresholds: FloatArray


class Roc(NamedTuple):
    """Operating points by falling threshold, from (0, 0) upwards.

    Attributes:
        thresholds: (p,) accept when score > threshold; the last is -inf.
        fmr: (p,) false match rate, rising.
        tar: (p,) true accept rate, rising.
    """

    thresholds: FloatArray
    fmr: FloatArray
    tar: FloatArray


def tenfold_accuracy(scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike) -> TenFold:
    """Accuracy with the threshold chosen on all folds but one and applied to that one (LFW protocol).

        accuracy(t) = (#(same and s > t) + #(different and s <= t)) / n

    On the training folds every distinct threshold is tried; of equally good ones the middle one is taken, and
    within the gap between two scores its midpoint. Huang et al. 2007, LFW report, section III.

    Args:
        scores: (n,) similarities.
        same: (n,) bool, True = one person.
        folds: (n,) fold label of each pair (LFW: 10 folds), at least 2 folds.

    Returns:
        `TenFold`.

    Raises:
        MetricInputError: wrong shapes, `same` not bool, one fold only, or training folds of one class.
    """
    values = check_scores(scores, "scores").astype(np.float64)
    genuine = check_labels(same, values.size, "same")
    groups = check_labels(folds, values.size, "folds")
    names = np.unique(groups)
    if genuine.dtype != np.bool_ or len(names) < 2:
        raise MetricInputError(f"same is {genuine.dtype} over {len(names)} folds; pass bool and at least 2 folds")
    accuracies, thresholds = [], []
    for name in names:
        held_out = groups == name
        t = _best_threshold(values[~held_out], genuine[~held_out])
        accuracies.append(float(((values[held_out] > t) == genuine[held_out]).mean()))
        thresholds.append(t)
    per_fold = np.array(accuracies)
    error = float(per_fold.std(ddof=1) / np.sqrt(len(names)))
    return TenFold(float(per_fold.mean()), error, per_fold, np.array(thresholds))


def eer(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> float:
    """Equal error rate: where FMR(t) = FNMR(t), linear between the two operating points around the crossing.

    Args:
        genuine: (n,) scores of one person.
        impostor: (m,) scores of two persons.

    Returns:
        Rate in [0, 1]; 0 when the sets separate, about 0.5 when they agree.

    Raises:
        MetricInputError: empty scores or NaN.
    """
    _, fmr, tar = roc(genuine, impostor)
    # Failures (-inf) are never accepted, so the last point can lie below (1, 1); accepting all blindly ends there.
    fmr, fnmr = np.append(fmr, 1.0), np.append(1 - tar, 0.0)
    after = int(np.argmax(fmr >= fnmr))
    if after == 0:
        return float(fnmr[0])
    before = after - 1
    gap_before, gap_after = fnmr[before] - fmr[before], fmr[after] - fnmr[after]
    share = gap_before / (gap_before + gap_after)
    return float(fmr[before] + share * (fmr[after] - fmr[before]))


def tar_at(genuine: npt.ArrayLike, threshold: float) -> float:
    """True accept rate #(genuine > threshold) / n, fraction; the threshold comes from `thresholds.calibrate`."""
    return float((check_scores(genuine, "genuine") > threshold).mean())


def false_match_rate(impostor: npt.ArrayLike, threshold: float) -> float:
    """False match rate #(impostor > threshold) / n, fraction."""
    return float((check_scores(impostor, "impostor") > threshold).mean())


def roc(genuine: npt.ArrayLike, impostor: npt.ArrayLike, max_points: int | None = None) -> Roc:
    """FMR and TAR at every distinct threshold, including the one that accepts nothing.

    Args:
        genuine: (n,) scores of one person.
        impostor: (m,) scores of two persons.
        max_points: thin to about this many points, evenly in log FMR, for a plot; None = all of them.

    Returns:
        `Roc`; exact points in either case.

    Raises:
        MetricInputError: empty scores, NaN, or max_points < 2.
    """
    own = np.sort(check_scores(genuine, "genuine").astype(np.float64))
    other = np.sort(check_scores(impostor, "impostor").astype(np.float64))
    t = np.unique(np.concatenate([own, other, [-np.inf]]))[::-1]
    tar = 1 - np.searchsorted(own, t, "right") / own.size
    fmr = 1 - np.searchsorted(other, t, "right") / other.size
    if max_points is None:
        return Roc(t, fmr, tar)
    if max_points < 2:
        raise MetricInputError(f"max_points is {max_points}; a curve has at least 2")
    targets = np.geomspace(1 / other.size, 1, max_points)
    # The last point within each target rate: the best TAR at that FMR.
    keep = np.unique(np.concatenate([[0], np.searchsorted(fmr, targets, "right") - 1, [t.size - 1]]))
    return Roc(t[keep], fmr[keep], tar[keep])


def d_prime(genuine: npt.ArrayLike, impostor: npt.ArrayLike) -> float:
    """Separation |mean_g - mean_i| / sqrt((var_g + var_i) / 2), population variances; no unit, >= 0.

    Raises:
        MetricInputError: empty or non-finite scores, or both sets constant (d' is undefined).
    """
    own = check_values(genuine, "genuine").astype(np.float64)
    other = check_values(impostor, "impostor").astype(np.float64)
    pooled = float(np.sqrt((own.var() + other.var()) / 2))
    if pooled == 0:
        raise MetricInputError("d_prime got two constant score sets; it is undefined without spread, report the means")
    return float(abs(own.mean() - other.mean())) / pooled


def _best_threshold(scores: npt.NDArray[np.float64], genuine: LabelArray) -> float:
    if genuine.all() or not genuine.any():
        raise MetricInputError("the training folds hold pairs of one class only; every fold needs both kinds")
    order = np.argsort(scores, kind="stable")
    ordered, own = scores[order], genuine[order]
    last = np.append(ordered[1:] != ordered[:-1], True)  # last of each run of ties
    # t = -inf accepts all; t = ordered[k] rejects the first k + 1.
    correct = own.sum() + np.append(0, np.cumsum(np.where(own, -1, 1))[last])
    levels = np.append(-np.inf, ordered[last])
    best = np.flatnonzero(correct == correct.max())
    k = int(best[(len(best) - 1) // 2])
    if k == 0 or k == len(levels) - 1 or levels[k] == -np.inf:
        return float(levels[k])
    middle = float(levels[k] + (levels[k + 1] - levels[k]) / 2)
    return middle if middle < levels[k + 1] else float(levels[k])  # adjacent floats have no midpoint
