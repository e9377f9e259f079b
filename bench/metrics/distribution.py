"""Distances between two sets of features: Frechet distance and KID.

On Inception features the first is called FID (see `perceptual.Fid`); in a judge's embedding space it is the row
`fd_<judge>`, a different number that is never called FID. Both are biased or noisy for small n: print n, and
put `real_floor` (two halves of the *real* set, same n) beside every value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .arrays import MetricInputError, Rng, as_rng, check_features

Matrix = npt.NDArray[np.float64]


class KidEstimate(NamedTuple):
    """KID over random subsets.

    Attributes:
        value: mean over subsets of the unbiased MMD^2; may be slightly negative when the sets agree.
        std: standard deviation over subsets (they overlap: a spread, not a standard error).
        subset_size: features of each set in a subset.
        subsets: number of subsets.
    """

    value: float
    std: float
    subset_size: int
    subsets: int


def frechet_distance(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Frechet distance of the two Gaussians fitted to the features.

        |mu_a - mu_b|^2 + Tr(S_a) + Tr(S_b) - 2 Tr((S_a S_b)^(1/2)),   S with 1 / (n - 1)

    The last trace is the sum of the singular values of A B^T, where A = (a - mu_a) / sqrt(n_a - 1): exact for
    singular covariances too (n <= d), without a matrix square root and its imaginary residue. Heusel et al.
    2017, arXiv 1706.08500, eq. 6; Dowson and Landau 1982. For n of a few thousand in 2048 dimensions the
    *bias* remains large and falls with n: compare only at equal n.

    Args:
        a: features (n_a, d), n_a >= 2, finite.
        b: features (n_b, d), n_b >= 2.

    Returns:
        Squared distance >= 0, in squared feature units; 0 for equal sets (up to rounding). Symmetric.

    Raises:
        MetricInputError: wrong shapes, different d, or non-finite values.
    """
    a, b = _check_pair(a, b)
    mean_gap = a.mean(axis=0) - b.mean(axis=0)
    root_a, root_b = _root(a), _root(b)
    cross = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    distance = mean_gap @ mean_gap + (root_a**2).sum() + (root_b**2).sum() - 2 * cross
    return max(float(distance), 0.0)


def kid(a: npt.ArrayLike, b: npt.ArrayLike, rng: Rng, subset_size: int = 100, subsets: int = 100) -> KidEstimate:
    """Kernel inception distance: unbiased MMD^2 with a cubic kernel, averaged over random subsets.

        k(u, v) = (u.v / d + 1)^3
        MMD^2 = mean_{i != j} k(a_i, a_j) + mean_{i != j} k(b_i, b_j) - 2 mean_{i, j} k(a_i, b_j)

    Binkowski et al. 2018, arXiv 1801.01401, eq. 4 (unbiased form) and section 4. Unlike FID its expectation does not
    depend on n, so it is the one to use for small sets.

    Args:
        a: features (n_a, d).
        b: features (n_b, d).
        rng: numpy Generator or int seed; draws the subsets (without replacement within a subset).
        subset_size: features per set and subset, 2 <= subset_size <= min(n_a, n_b).
        subsets: number of subsets, >= 1.

    Returns:
        `KidEstimate`; `value` is near 0 (either sign) for equal distributions, larger = further apart.

    Raises:
        MetricInputError: wrong shapes, or subsets larger than a set.
    """
    a, b = _check_pair(a, b)
    smaller = min(len(a), len(b))
    if not 2 <= subset_size <= smaller:
        raise MetricInputError(f"subset_size is {subset_size}, the smaller set has {smaller}: pass 2..{smaller}")
    if subsets < 1:
        raise MetricInputError(f"subsets is {subsets}; draw at least one")
    generator = as_rng(rng)
    values = [
        _mmd2(
            a[generator.choice(len(a), subset_size, replace=False)],
            b[generator.choice(len(b), subset_size, replace=False)],
        )
        for _ in range(subsets)
    ]
    return KidEstimate(float(np.mean(values)), float(np.std(values)), subset_size, subsets)


def real_floor(features: npt.ArrayLike, n: int, rng: Rng) -> float:
    """Frechet distance of two disjoint random draws of n *real* features: the least a perfect copy would get.

    Args:
        features: real features (m, d), m >= 2 n.
        n: size of each draw; the n of the value it stands beside.
        rng: numpy Generator or int seed.

    Returns:
        Frechet distance >= 0 of real against real at this n.

    Raises:
        MetricInputError: fewer than 2 n features, or n < 2.
    """
    pool = check_features(features, "features")
    if n < 2 or 2 * n > len(pool):
        raise MetricInputError(f"n is {n} with {len(pool)} real features; a floor needs 2 <= n <= {len(pool) // 2}")
    order = as_rng(rng).permutation(len(pool))
    return frechet_distance(pool[order[:n]], pool[order[n : 2 * n]])


def _root(features: Matrix) -> Matrix:
    """A matrix R (min(n, d), d) with R^T R = covariance."""
    centred = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    if len(features) <= features.shape[1]:
        return np.asarray(centred)
    return np.asarray(np.linalg.qr(centred, mode="r"))


def _mmd2(a: Matrix, b: Matrix) -> float:
    n, d = a.shape
    within_a, within_b, across = ((u @ v.T / d + 1) ** 3 for u, v in ((a, a), (b, b), (a, b)))
    # Unbiased: a feature is not compared with itself.
    within = within_a.sum() - np.trace(within_a) + within_b.sum() - np.trace(within_b)
    return float(within / (n * (n - 1)) - 2 * across.mean())


def _check_pair(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[Matrix, Matrix]:
    first, second = check_features(a, "a"), check_features(b, "b")
    if first.shape[1] != second.shape[1]:
        raise MetricInputError(f"a has {first.shape[1]} dimensions, b {second.shape[1]}; use one feature extractor")
    return first, second
