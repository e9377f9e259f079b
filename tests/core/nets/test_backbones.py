"""The small networks: shapes for images and for wires, reproducible initialisation."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.errors import ContractError
from faceleak.bench.core.nets.blocks import initialise
from faceleak.bench.core.nets.mobilenet import MobileNet
from faceleak.bench.core.nets.resnet import ResNet
from faceleak.bench.core.nets.vgg import PlainNet
from torch import nn

NETS = [ResNet, MobileNet, PlainNet]


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(("channels", "size", "stride"), [(3, 64, 2), (27, 32, 1), (192, 56, 2)])
def test_shapes_and_gradients(net: type[nn.Module], channels: int, size: int, stride: int) -> None:
    module = net(channels, 16, stem_stride=stride)
    x = torch.rand(2, channels, size, size, requires_grad=True)
    z = module(x)
    assert z.shape == (2, 16)
    z.square().sum().backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in module.parameters())


@pytest.mark.parametrize("net", NETS)
def test_initialise_depends_on_the_generator_only(net: type[nn.Module]) -> None:
    def drawn(seed: int) -> dict[str, torch.Tensor]:
        module = net(3, 16)  # draws from the global generator: must not show
        before = torch.get_rng_state()
        initialise(module, torch.Generator().manual_seed(seed))
        assert torch.equal(before, torch.get_rng_state())
        return dict(module.state_dict())

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_initialise_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ContractError, match="LayerNorm"):
        initialise(nn.Sequential(nn.LayerNorm(3)), torch.Generator())
