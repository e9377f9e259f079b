"""How well an attribute is read. Accuracy means something only beside the label's own frequencies; the area under the
ROC curve (AUC) is 1/2 by chance whatever they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arrays import BoolArray, FloatArray, IntArray, MetricInputError, Rng, check_labels, check_share
from .intervals import Interval, resample_weights, wilson


def auc(likely: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> FloatArray:
    """Area under the ROC curve of each class against the rest; of two classes the second's, of more their mean.

        AUC = P(s+ > s-) + P(s+ = s-) / 2

    Args:
        likely: (L, C) scores of the classes.
        labels: (L,) class numbers.
        weights: (R, L) how much each reading counts, in R draws; None is one draw in which all count alike.

    Returns:
        (R,) in [0, 1], NaN for a draw that shows a single class.

    Raises:
        MetricInputError: shapes disagree, a score is not finite, or there are fewer than two classes.
    """
    scores, truth = np.asarray(likely, np.float64), np.asarray(labels)
    drawn = np.ones((1, len(truth))) if weights is None else np.asarray(weights, np.float64)
    if scores.ndim != 2 or scores.shape[1] < 2 or len(scores) != len(truth) or drawn.shape[-1] != len(truth):
        raise MetricInputError(
            f"likely is {scores.shape}, labels {truth.shape}, weights {drawn.shape}; they must be (readings, at least "
            "2 classes), (readings,) and (draws, readings)"
        )
    if not np.isfinite(scores).all():
        raise MetricInputError("likely has NaN or infinite scores; a probe diverged")
    classes = [1] if scores.shape[1] == 2 else list(range(scores.shape[1]))
    areas = np.stack([_area(scores[:, c], truth == c, drawn) for c in classes])  # (C, R)
    return mean_known(areas)


def _area(score: FloatArray, positive: BoolArray, weights: FloatArray) -> FloatArray:
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(score[order]) > 0]))  # the first of each distinct score
    w, up = weights[:, order], positive[order]
    hits, misses = (np.add.reduceat(w * side, starts, axis=1) for side in (up, ~up))
    below = np.cumsum(misses, axis=1) - misses / 2
    total = hits.sum(axis=1) * misses.sum(axis=1)
    area = (hits * below).sum(axis=1) / np.where(total > 0, total, 1)
    return np.where(total > 0, np.clip(area, 0, 1), np.nan)  # clipped: sums of thirds round to a hair above 1


def mean_known(values: FloatArray) -> FloatArray:
    """(K, R) -> (R,) mean over those of the K that are known, NaN where none is."""
    known = np.isfinite(values)
    return np.where(known.any(axis=0), np.nansum(values, axis=0) / np.maximum(1, known.sum(axis=0)), np.nan)


def auc_draws(
    likely: npt.ArrayLike, labels: npt.ArrayLike, owner: npt.ArrayLike, rng: Rng, resamples: int = 2000
) -> FloatArray:
    """The AUC in which each identity counts once, and what it is when identities are drawn with replacement.

    Args:
        likely: (L, C) scores of the classes.
        labels: (L,) class numbers.
        owner: (L,) whom each reading is of.
        rng: numpy Generator or int seed; equal ones draw the same identities for every attribute.
        resamples: bootstrap draws.

    Returns:
        (1 + resamples,): the estimate first.
    """
    who = _codes(check_labels(owner, len(np.asarray(labels)), "owner"))
    share = 1 / np.bincount(who)[who]
    people = len(np.unique(who))
    parts = [auc(likely, labels, share[None])]
    parts += [auc(likely, labels, w[:, who] * share) for w in resample_weights(people, rng, resamples)]
    return np.concatenate(parts)


def auc_interval(draws: FloatArray, people: int, level: float = 0.95) -> Interval | None:
    """The interval of what ``auc_draws`` gives, or of a mean of several.

    Args:
        draws: (1 + R,), the estimate first; draws that show one class only are left out.
        people: identities behind it; a bootstrap that collapses to a point becomes their Wilson interval.
        level: nominal coverage, fraction.

    Returns:
        None where the estimate is unknown, because everybody is of one class.
    """
    check_share(level, "level")
    value, known = float(draws[0]), draws[1:][np.isfinite(draws[1:])]
    if not np.isfinite(value):
        return None
    if not known.size or known.max() - known.min() < 1e-12:
        stand_in = wilson(value * people, people, level)
        return Interval(value, stand_in.lo, stand_in.hi, "wilson-identities", people, level)
    lo, hi = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(lo), float(hi), "bootstrap-identities", people, level)


def _codes(owner: npt.NDArray[np.generic]) -> IntArray:
    return np.unique(owner, return_inverse=True)[1].astype(np.int64)
