"""Weights of several losses that pull one network in several directions."""

from __future__ import annotations

import torch
from torch import Tensor

from .errors import InputError


def min_norm_weights(gradients: Tensor, iterations: int = 250) -> Tensor:
    """The point of least norm in the convex hull of gradients: what lowers all losses at once (MGDA).

    Sener and Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018: closed form for two tasks
    (equation 4 and algorithm 1), Frank-Wolfe with exact line search for more (algorithm 2).

    Args:
        gradients: (T, P), one row per task.
        iterations: of Frank-Wolfe, at most.

    Returns:
        (T,) weights, not negative, that sum to 1.

    Raises:
        InputError: no task.
    """
    if gradients.ndim != 2 or not len(gradients):
        raise InputError(f"min_norm_weights takes a row of gradients per task, got shape {tuple(gradients.shape)}.")
    gram = gradients.double() @ gradients.double().T  # (T, T): all that the norm depends on
    weights = gram.new_full((len(gram),), 1 / len(gram))
    if len(gram) == 2:
        share = _towards(gram, torch.eye(2).to(gram)[1], torch.eye(2).to(gram)[0])
        return torch.stack([share, 1 - share]).to(gradients)
    for _ in range(iterations):
        best = torch.eye(len(gram)).to(gram)[(gram @ weights).argmin()]
        step = _towards(gram, weights, best)
        if float(step) < 1e-7:
            break
        weights = (1 - step) * weights + step * best
    return weights.to(gradients)


def _towards(gram: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The share in [0, 1] of the way from weights ``a`` to ``b`` at which the norm is least."""
    way = b - a
    length = way @ gram @ way
    return (-(a @ gram @ way) / length.clamp(min=1e-30)).clamp(0, 1)
