"""The generator without norms."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.nets.generator_unet import GeneratorUNet
from faceleak.bench.core.seeding import Rng
from torch import nn


def _net(channels: int = 6, width: int = 4, levels: int = 2) -> GeneratorUNet:
    """With a last layer that says something, and without biases."""
    with Rng(0, "generator").seeds_torch():
        net = GeneratorUNet(channels, width, levels).eval()
        nn.init.normal_(net.head.weight)
        for bias in (p for p in net.parameters() if p.ndim == 1):
            nn.init.zeros_(bias)
    return net


def _maps(n: int = 4) -> torch.Tensor:
    return Rng(0, "maps").normal(torch.arange(n), (6, 16, 24))


@pytest.mark.parametrize("levels", [1, 3])
def test_it_starts_at_zero_and_learns_from_there(levels: int) -> None:
    x = _maps()
    net = GeneratorUNet(6, 4, levels)
    assert net(x).shape == x.shape
    assert not net(x).any()
    (net(x) - x).square().mean().backward()
    assert net.head.weight.grad is not None
    assert float(net.head.weight.grad.abs().max()) > 0


@torch.no_grad()
def test_nothing_divides_by_the_size_of_the_input() -> None:
    """Without biases a norm-free ReLU network is homogeneous; any norm would break this."""
    net, x = _net(), _maps()
    assert torch.allclose(net(3 * x), 3 * net(x), rtol=1e-4, atol=1e-4)
    assert not list(net.buffers())


@torch.no_grad()
def test_the_signal_keeps_its_size_through_all_layers() -> None:
    """At torch's own first weights it would be some hundred times smaller."""
    net, x = _net(width=16, levels=3), _maps()
    inner = net.merge[0](torch.cat([net.up[0](net.merge[1](torch.zeros(4, 64, 8, 12))), net.down[0](x)], dim=1))
    assert float(inner.square().mean().sqrt()) > 0.3


@torch.no_grad()
def test_every_sample_on_its_own() -> None:
    net, x = _net(), _maps()
    assert torch.allclose(net(x)[1:2], net(x[1:2]), atol=1e-6)
