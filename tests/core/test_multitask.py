"""Weights of several losses."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.multitask import min_norm_weights
from faceleak.bench.core.seeding import Rng
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor


def norm(weights: Tensor, gradients: Tensor) -> float:
    return float((weights @ gradients).norm())


def rows(seed: int, tasks: int, bias: float = 0.0) -> Tensor:
    return Rng(seed, "gradients").normal(torch.arange(tasks), (5,)) + bias


@given(st.integers(0, 2**31), st.floats(-2, 2))
@settings(max_examples=40, deadline=None)
def test_two_tasks_against_brute_force(seed: int, bias: float) -> None:
    g = rows(seed, 2, bias)
    shares = torch.linspace(0, 1, 2001)
    best = torch.stack([shares, 1 - shares], dim=1) @ g
    found = min_norm_weights(g)
    assert float(found.sum()) == pytest.approx(1, abs=1e-6)
    assert float(found.min()) >= 0
    assert norm(found, g) <= float(best.norm(dim=1).min()) + 1e-5
    way = g[0] - g[1]
    expected = float((-(g[1] @ way) / (way @ way)).clamp(0, 1))  # <g2 - g1, g2> / |g1 - g2|^2
    assert float(found[0]) == pytest.approx(expected, abs=1e-4)


@given(st.integers(0, 2**31), st.floats(-1, 1))
@settings(max_examples=15, deadline=None)
def test_three_tasks_against_brute_force(seed: int, bias: float) -> None:
    g = rows(seed, 3, bias)
    grid = torch.linspace(0, 1, 101)
    first, second = torch.meshgrid(grid, grid, indexing="ij")
    inside = first + second <= 1
    points = torch.stack([first[inside], second[inside], 1 - first[inside] - second[inside]], dim=1)
    found = min_norm_weights(g)
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)
    assert float(found.min()) >= 0
    assert norm(found, g) <= float((points @ g).norm(dim=1).min()) + 0.02, "Frank-Wolfe comes near, not exact"


def test_what_it_is_for() -> None:
    """A step along it lowers every loss; a task that pulls much harder gets less weight."""
    g = torch.tensor([[10.0, 0.0, 1.0], [0.0, 1.0, 0.1]])
    weights = min_norm_weights(g)
    assert float(weights[0]) < 0.1
    assert bool((g @ (weights @ g) > 0).all())


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_equal_gradients_and_none(tasks: int) -> None:
    for g in (torch.ones(tasks, 4), torch.zeros(tasks, 4)):
        weights = min_norm_weights(g)
        assert bool(torch.isfinite(weights).all())
        assert float(weights.sum()) == pytest.approx(1)


def test_no_task_is_refused() -> None:
    with pytest.raises(InputError, match=r"a row of gradients per task, got shape \(0, 3\)"):
        min_norm_weights(torch.zeros(0, 3))
