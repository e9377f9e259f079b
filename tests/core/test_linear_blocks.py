"""Ridge regression from sums that were taken up in blocks."""

from __future__ import annotations

import torch
from faceleak.bench.core.linear import Moments, best_penalty, ridge
from faceleak.bench.core.people import held_out


def pairs(n: int, k: int = 6, d: int = 9, noise: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    truth = torch.randn(k, d, generator=torch.Generator().manual_seed(7))
    x = torch.randn(n, k, generator=generator) + 2
    return x, x @ truth + 1 + noise * torch.randn(n, d, generator=generator)


def taken_up(x: torch.Tensor, y: torch.Tensor, block: int) -> Moments:
    sums = Moments(x.shape[1], y.shape[1])
    for part in torch.arange(len(x)).split(block):
        sums.add(x[part], y[part])
    return sums


def test_blocks_give_the_regression_of_the_whole() -> None:
    x, y = pairs(50)
    whole = ridge(x, y, 0.1)
    for block in (1, 7, 50):
        for mine, expected in zip(taken_up(x, y, block).solve(0.1), whole, strict=True):
            assert torch.allclose(mine, expected, atol=1e-9)


def test_the_error_is_the_mean_square_over_the_pairs() -> None:
    x, y = pairs(40)
    weight, offset = ridge(x[:30], y[:30], 0.1)
    direct = (x[30:].double() @ weight + offset - y[30:].double()).square().sum(1).mean()
    assert abs(taken_up(x[30:], y[30:], 4).error(weight, offset) - float(direct)) < 1e-9


def test_the_penalty_grows_with_the_noise() -> None:
    chosen = [best_penalty([taken_up(*pairs(n, k=15, noise=noise), n) for n in (20, 21, 22)]) for noise in (0.01, 5.0)]
    assert chosen[0] < chosen[1]


def test_people_are_held_out_whole() -> None:
    labels = torch.tensor([0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 9])
    assert held_out(labels).tolist() == [label == 9 for label in labels.tolist()]
    assert held_out(labels[:3]).tolist() == [False, False, True]
    assert held_out(labels[:2]).tolist() == [True, True]
