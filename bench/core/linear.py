"""The best linear map from one set of vectors to another, in closed form."""

from __future__ import annotations

import torch
from torch import Tensor


def ridge(x: Tensor, y: Tensor, penalty: float | Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression with an intercept, in float64: the least mean |x W + b - y|^2 + penalty |W|^2.

    Args:
        x: (n, K).
        y: (n, D).
        penalty: weight of the second term; in units of a coordinate's variance.

    Returns:
        W (K, D) and b (D,).
    """
    x, y = x.double(), y.double()
    mean_x, mean_y = x.mean(0), y.mean(0)
    centred = x - mean_x
    gram = centred.T @ centred / len(x)
    gram.diagonal().add_(penalty)
    weight = torch.linalg.solve(gram, centred.T @ (y - mean_y) / len(x))
    return weight, mean_y - mean_x @ weight
