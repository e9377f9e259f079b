"""Which public people an adversary keeps aside to choose by."""

from __future__ import annotations

from torch import Tensor

SHARE = 0.1  # of the people


def held_out(labels: Tensor, share: float = SHARE) -> Tensor:
    """(n,) bool: samples of the last ``share`` of the people, of one at least where there are two.

    Args:
        labels: (n,) int64 identity numbers in order of first appearance.
        share: of the people, (0, 1).
    """
    people = int(labels.max()) + 1 if len(labels) else 0
    return labels >= people - max(1, round(share * people))
