"""The best linear map from one set of vectors to another, in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SLACK = 0.01  # relative; how much more than the best a penalty may err
PENALTIES = tuple(10.0 ** (0.5 * i) for i in range(-8, 3))  # 1e-4 .. 10, in units of a coordinate's variance


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


class Moments:
    """The sums that a ridge regression follows from, taken up block by block: neither side need fit into memory.

    Args:
        k: length of the inputs.
        d: length of the answers.
    """

    def __init__(self, k: int, d: int) -> None:
        self.n = 0
        self.x, self.y, self.yy = torch.zeros(k).double(), torch.zeros(d).double(), 0.0
        self.xx, self.xy = torch.zeros(k, k).double(), torch.zeros(k, d).double()

    def add(self, x: Tensor, y: Tensor) -> None:
        """One block: (n, K) and (n, D)."""
        x, y = x.double().cpu(), y.double().cpu()
        self.n += len(x)
        self.x += x.sum(0)
        self.y += y.sum(0)
        self.yy += float(y.square().sum())
        self.xx.addmm_(x.T, x)
        self.xy.addmm_(x.T, y)

    def solve(self, penalty: float) -> tuple[Tensor, Tensor]:
        """``ridge`` of all that was taken up: W (K, D) and b (D,), float64."""
        mean_x, mean_y = self.x / self.n, self.y / self.n
        gram = self.xx / self.n - mean_x[:, None] * mean_x
        gram.diagonal().add_(penalty)
        cross = self.xy / self.n - mean_x[:, None] * mean_y
        weight = torch.cholesky_solve(cross, torch.linalg.cholesky(gram))
        return weight, mean_y - mean_x @ weight

    def error(self, weight: Tensor, offset: Tensor) -> float:
        """Mean |x W + b - y|^2 over what was taken up."""
        along = weight @ offset
        square = (
            float((weight * (self.xx @ weight)).sum()) + 2 * float(self.x @ along) + self.n * float(offset @ offset)
        )
        return (square - 2 * float((weight * self.xy).sum()) - 2 * float(self.y @ offset) + self.yy) / self.n


def best_penalty(folds: Sequence[Moments], penalties: Sequence[float] = PENALTIES) -> float:
    """The smallest penalty whose regressions err hardly more than the best, each on the fold it was not learnt from.

    Squared errors are flat about their least, and a larger penalty shrinks what tells people apart: chosen by the
    least error alone, pictures of noisy leaks are too near the mean face for a recogniser.

    Args:
        folds: of the pairs, with no person in two of them; at least two.
        penalties: to choose from.
    """
    errors = dict.fromkeys(penalties, 0.0)
    for held in folds:
        learn = _sum([one for one in folds if one is not held])
        for penalty in penalties:
            errors[penalty] += held.n * held.error(*learn.solve(penalty))
    return min(penalty for penalty in penalties if errors[penalty] <= (1 + SLACK) * min(errors.values()))


def penalty_by_people(x: Tensor, y: Tensor, people: Tensor, folds: int = 5) -> float:
    """``best_penalty`` over folds of people, or the largest penalty where there is one person only.

    Args:
        x: (n, K).
        y: (n, D), few enough to hold their cross products with ``x`` for every fold.
        people: (n,) int64 identity numbers.
        folds: at most.
    """
    count = min(folds, int(people.max()) + 1)
    parts = [Moments(x.shape[1], y.shape[1]) for _ in range(count)]
    for number, part in enumerate(parts):
        part.add(x[people % count == number], y[people % count == number])
    parts = [part for part in parts if part.n]
    return best_penalty(parts) if len(parts) > 1 else PENALTIES[-1]


def _sum(parts: Sequence[Moments]) -> Moments:
    whole = Moments(*parts[0].xy.shape)
    for one in parts:
        whole.n += one.n
        whole.yy += one.yy
        for name in ("x", "y", "xx", "xy"):
            getattr(whole, name).add_(getattr(one, name))
    return whole
