"""How far the landmarks of a face have moved."""

from __future__ import annotations

from torch import Tensor

from ..core.errors import InputError


def landmark_error(found: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of the landmarks, in distances of the eyes (the NME of face alignment, inter-ocular form).

        error_i = mean_p |found_ip - truth_ip| / |truth_i0 - truth_i1|

    Args:
        found: (N, P, 2) x and y, in any unit.
        truth: of the same shape and unit; points 0 and 1 are the middles of the eyes.

    Returns:
        (N,) float64, 0 or more, in distances of the eyes; lower = closer.

    Raises:
        InputError: the shapes differ or are no (N, P, 2) with two points or more, or somebody's eyes are one point.
    """
    if found.shape != truth.shape or found.ndim != 3 or found.shape[1] < 2 or found.shape[2] != 2:
        raise InputError(
            f"landmark_error got {tuple(found.shape)} and {tuple(truth.shape)}; pass two equal (N, P, 2) with the eyes "
            "first."
        )
    found, truth = found.double(), truth.double()
    eyes = (truth[:, 0] - truth[:, 1]).norm(dim=1)
    if len(eyes) and not float(eyes.min()) > 0:
        raise InputError(f"landmark_error: the eyes of picture {int(eyes.argmin())} lie on one another.")
    return (found - truth).norm(dim=2).mean(1) / eyes
