"""Verification pairs in identity-disjoint folds, for sets that come without an official pairs file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .arrays import BoolArray, IntArray, MetricInputError, Rng, as_rng

Draw = list[tuple[int, int]]


class Pairs(NamedTuple):
    """Image pairs, ready for `tenfold_accuracy`.

    Attributes:
        first: (n,) image index.
        second: (n,) image index.
        same: (n,) True = one identity.
        fold: (n,) fold 0 .. folds - 1; no identity is in two folds.
    """

    first: IntArray
    second: IntArray
    same: BoolArray
    fold: IntArray


def make_pairs(identities: npt.ArrayLike, rng: Rng, n_pairs: int = 6000, folds: int = 10) -> Pairs:
    """Draw distinct pairs, half genuine and half impostor, in folds that share no identity.

    Identities are dealt to the folds at random, those with two and more images evenly. Within a fold the
    genuine pairs are spread evenly over its identities (not over their pairs: one LFW identity has 530 images),
    the impostor pairs come from two identities drawn uniformly.

    Args:
        identities: (n,) labels, one per image.
        rng: numpy Generator or int seed.
        n_pairs: pairs in all, a multiple of 2 * folds (LFW: 6000 = 10 folds x (300 + 300)).
        folds: number of folds, >= 2.

    Returns:
        `Pairs`, sorted by fold, genuine first.

    Raises:
        MetricInputError: n_pairs does not divide, or a fold cannot supply its share of distinct pairs.
    """
    labels = np.asarray(identities)
    if labels.ndim != 1 or folds < 2 or n_pairs < 2 * folds or n_pairs % (2 * folds):
        raise MetricInputError(
            f"n_pairs is {n_pairs} in {folds} folds for labels {labels.shape}; pass labels (n,), at least 2 folds "
            f"and a multiple of 2 * folds"
        )
    generator, quota = as_rng(rng), n_pairs // (2 * folds)
    columns: list[tuple[int, int, bool, int]] = []
    for fold, groups in enumerate(_deal(labels, generator, folds)):
        columns += [(a, b, True, fold) for a, b in _genuine(groups, generator, quota, fold)]
        columns += [(a, b, False, fold) for a, b in _impostor(groups, generator, quota, fold)]
    first, second, same, where = (np.array(column) for column in zip(*columns))
    return Pairs(first, second, same, where)


def _deal(labels: npt.NDArray[np.generic], rng: np.random.Generator, folds: int) -> list[list[IntArray]]:
    """Image indices per identity, per fold."""
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    groups = np.split(np.argsort(codes, kind="stable"), np.cumsum(sizes)[:-1])
    shuffled = [groups[i] for i in rng.permutation(len(groups))]
    # Dealing the paired ones first, then the single ones, keeps both even.
    shuffled.sort(key=lambda group: len(group) < 2)
    return [shuffled[fold::folds] for fold in range(folds)]


def _genuine(groups: list[IntArray], rng: np.random.Generator, quota: int, fold: int) -> Draw:
    capacity = sum(len(g) * (len(g) - 1) // 2 for g in groups)
    if capacity < quota:
        raise MetricInputError(
            f"fold {fold} has {capacity} distinct genuine pairs and needs {quota}: lower n_pairs or folds"
        )
    stacks: list[Draw] = []
    for group in groups:
        n = len(group)
        row, column = np.triu_indices(n, 1)
        picks = rng.permutation(len(row))[:quota]
        stacks.append([(int(group[row[p]]), int(group[column[p]])) for p in picks])
    drawn: Draw = []
    while len(drawn) < quota:  # one pair per identity and round
        stacks = [stack for stack in stacks if stack]
        drawn += [stack.pop() for stack in stacks]
    return drawn[:quota]


def _impostor(groups: list[IntArray], rng: np.random.Generator, quota: int, fold: int) -> Draw:
    sizes = np.array([len(g) for g in groups])
    capacity = int((sizes.sum() ** 2 - (sizes**2).sum()) // 2)
    if capacity < quota:
        raise MetricInputError(
            f"fold {fold} has {capacity} distinct impostor pairs and needs {quota}: lower n_pairs or folds"
        )
    if capacity < 4 * quota:  # rejection would dawdle: list them all
        images, owner = np.concatenate(groups), np.repeat(np.arange(len(groups)), sizes)
        row, column = np.triu_indices(len(images), 1)
        across = np.flatnonzero(owner[row] != owner[column])
        picks = rng.choice(across, quota, replace=False)
        return [(int(images[row[p]]), int(images[column[p]])) for p in picks]
    seen: set[tuple[int, int]] = set()
    drawn: Draw = []
    # Uniform over identities as long as that yields new pairs; a huge identity among single ones soon would not.
    for _ in range(50 * quota):
        i, j = rng.choice(len(groups), 2, replace=False)
        a, b = int(rng.choice(groups[i])), int(rng.choice(groups[j]))
        if (min(a, b), max(a, b)) not in seen:
            seen.add((min(a, b), max(a, b)))
            drawn.append((a, b))
        if len(drawn) == quota:
            return drawn
    raise MetricInputError(f"fold {fold} repeats its impostor pairs too often; lower n_pairs or folds")
