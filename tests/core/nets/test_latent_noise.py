"""Projected gradient ascent in a box, against known answers."""

from __future__ import annotations

import torch
from faceleak.bench.core.nets.latent_noise import in_rows, latent_noise
from torch import Tensor, nn

X = torch.linspace(-1, 1, 40 * 6).reshape(40, 6)
BOUND = torch.tensor([0.5, 0.5, 0.5, 0.25, 0.0, 1.0])
SLOPE = torch.tensor([1.0, -2.0, 0.1, 3.0, 5.0, -0.01])


def linear(clean: Tensor):  # type: ignore[no-untyped-def]
    return lambda noisy: (noisy * SLOPE).sum(1)


def squared(clean: Tensor):  # type: ignore[no-untyped-def]
    return lambda noisy: (noisy - clean).square().sum(1)


def test_a_linear_objective_ends_in_its_corner() -> None:
    start = torch.rand(X.shape, generator=torch.Generator().manual_seed(0)) * 0.1
    found = latent_noise(linear, X, start, BOUND, steps=4)
    assert torch.equal(found, (SLOPE.sign() * BOUND).expand_as(X))


def test_at_a_minimum_nothing_moves_and_beside_it_everything_does() -> None:
    zero = torch.zeros_like(X)
    assert torch.equal(latent_noise(squared, X, zero, BOUND, steps=10), zero)
    start = torch.full_like(X, -0.01)
    assert torch.equal(latent_noise(squared, X, start, BOUND, steps=10), -BOUND.expand_as(X))


def test_samples_are_on_their_own_whatever_the_batch_and_the_caller_s_mode() -> None:
    net = nn.Sequential(nn.Linear(6, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 3))

    def objective(clean: Tensor):  # type: ignore[no-untyped-def]
        before = net(clean)
        return lambda noisy: (net(noisy) - before).square().sum(1)

    start = torch.randn(X.shape, generator=torch.Generator().manual_seed(1)) * 0.02
    whole = latent_noise(objective, X, start, BOUND, steps=10)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        parts = [latent_noise(objective, X[i : i + 7], start[i : i + 7], BOUND, steps=10) for i in range(0, 40, 7)]
    assert torch.equal(torch.cat(parts), whole)
    assert not whole.requires_grad
    assert all(p.grad is None for p in net.parameters())
    assert latent_noise(objective, X[:0], start[:0], BOUND, steps=10).shape == (0, 6)


def test_in_rows_is_the_function_of_each_row_whatever_the_batch() -> None:
    net = nn.Linear(6, 300)
    whole = in_rows(net, X)
    assert torch.allclose(whole, net(X), atol=1e-6)
    assert torch.equal(torch.cat([in_rows(net, X[:1]), in_rows(net, X[1:9]), in_rows(net, X[9:])]), whole)
    assert in_rows(net, X[:0]).shape == (0, 300)
    assert not whole.requires_grad
