"""What the metrics demand of score, value and label arrays, checked in one place."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..core.errors import FaceleakError, InputError

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
LabelArray: TypeAlias = npt.NDArray[Any]  # identities: integers or strings
Rng: TypeAlias = np.random.Generator | int


class MetricInputError(InputError):
    """An array a metric cannot use; the message says what was seen and what to do."""


class MetricUnavailable(FaceleakError):
    """A metric cannot be computed here because something outside the project is absent.

    The harness turns it into a row with status `absent`; it is never a zero and never a hole.

    Attributes:
        reason: which file is missing, where it was looked for, where to put it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def as_rng(rng: Rng) -> np.random.Generator:
    """A generator from a generator (used, hence advanced) or from an int seed; never the global state.

    Args:
        rng: numpy Generator, or an int seed >= 0.

    Raises:
        MetricInputError: anything else, None in particular (an unseeded interval cannot be reproduced).
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return np.random.default_rng(int(rng))
    raise MetricInputError(f"rng is {rng!r}; pass a numpy Generator or a non-negative int seed")


def check_scores(scores: npt.ArrayLike, name: str) -> FloatArray:
    """Scores (n,), higher = more similar; -inf is a failure (no face found) that no threshold accepts.

    Args:
        scores: (n,) numbers, n >= 1; float32 stays float32, anything else becomes float64.
        name: what the caller calls them.

    Raises:
        MetricInputError: not 1-d, empty, NaN or +inf.
    """
    array: FloatArray = _floats(scores, name)
    # max is NaN if any value is; +inf would be accepted by every threshold.
    top = array.max()
    if not top < np.inf:
        raise MetricInputError(f"{name} has {top} in it; a failed comparison is -inf (a failure), never {top}")
    return array


def check_values(values: npt.ArrayLike, name: str) -> FloatArray:
    """Finite values (n,), n >= 1; float32 stays float32, anything else becomes float64.

    Raises:
        MetricInputError: not 1-d, empty, NaN or infinite.
    """
    array = _floats(values, name)
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise MetricInputError(f"{name} has {bad} NaN or infinite of {array.size} values; count failures upstream")
    return array


def check_labels(labels: npt.ArrayLike, n: int, name: str) -> LabelArray:
    """One label (integer or string) per row.

    Args:
        labels: (n,) identities.
        n: the length they must have.
        name: what the caller calls them.

    Raises:
        MetricInputError: not 1-d or another length.
    """
    array = np.asarray(labels)
    if array.shape != (n,):
        raise MetricInputError(f"{name} has shape {array.shape}; it needs one entry per row, ({n},)")
    return array


def check_features(features: npt.ArrayLike, name: str, *, least: int = 2) -> npt.NDArray[np.float64]:
    """Finite features (n, d) as float64, n >= `least`.

    Raises:
        MetricInputError: not 2-d, too few rows, no columns, NaN or infinite.
    """
    array = np.asarray(features, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < least or array.shape[1] < 1:
        raise MetricInputError(f"{name} has shape {array.shape}; it must be (n, d) with n >= {least} and d >= 1")
    if not np.isfinite(array).all():
        raise MetricInputError(f"{name} has NaN or infinite values; drop failed images upstream and count them")
    return array


def check_share(value: float, name: str) -> float:
    """A share strictly between 0 and 1: a level, an FMR.

    Raises:
        MetricInputError: outside (0, 1); percentages are fractions here.
    """
    if not 0 < value < 1:
        raise MetricInputError(f"{name} is {value}; it is a fraction strictly between 0 and 1 (5 % is 0.05)")
    return float(value)


def _floats(values: npt.ArrayLike, name: str) -> FloatArray:
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise MetricInputError(f"{name} has shape {array.shape}; it must be (n,) with n >= 1")
    if array.dtype != np.float32:
        array = array.astype(np.float64)
    return array
