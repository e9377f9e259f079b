"""Rounding to levels that does not depend on batch mates.

Kernels round differently for other batch sizes, and so do processors: a hundred-thousandth of a level in what a network
makes of a picture. Where values are then rounded to 8 bits, one that lies beside a step falls to the other side.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .precision import exactly


def to_levels(values: Tensor, bits: int = 8) -> Tensor:
    """Values of any range -> the nearest of the ``2 ** bits`` levels in [0, 1]."""
    top = (1 << bits) - 1
    return (values * top).round().clamp(0, top) / top


def rounded(make: Callable[..., Tensor], rows: Tensor, *others: Tensor, bits: int = 8) -> Tensor:
    """What ``make`` says of each row alone, rounded: a picture of a batch is the same as by itself, to the last bit.

    Args:
        make: (1, ...) of each of ``rows`` and ``others`` -> (1, ...), 0 and 1 the ends of the scale; never under
            autocast, whoever calls.
        rows: (N, ...).
        others: row-aligned with ``rows``.
        bits: of a value.

    Returns:
        (N, ...), each value one of the ``2 ** bits`` levels in [0, 1].
    """
    with exactly(rows.device):
        if not len(rows):
            return to_levels(make(rows, *others), bits)
        one = (make(*(each[i : i + 1] for each in (rows, *others))) for i in range(len(rows)))
        return to_levels(torch.cat(list(one)), bits)
