"""The style-modulated autoencoder: what styles and base code do, and how far apart things are."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.style_autoencoder import BASE_LAYERS, LAYERS, StyleAutoencoder
from faceleak.bench.core.seeding import Rng


def _net(size: int = 32) -> StyleAutoencoder:
    with Rng(0, "test").seeds_torch():
        return StyleAutoencoder(size, 8, 16).eval().requires_grad_(False)


@pytest.mark.parametrize("size", [32, 48, 112])
def test_every_size_has_nine_styles_and_a_base_code_at_an_eighth(size: int) -> None:
    net, x = _net(size), torch.rand(2, 3, size, size)
    w, base = net.encode(x)
    assert w.shape == (2, LAYERS, 8)
    assert base.shape == net.generator.base(w).shape == (2, 16, size // 8, size // 8)
    y = net.generator(w)
    assert y.shape == x.shape
    assert 0 < float(y.min()) <= float(y.max()) < 1


def test_the_base_code_stands_for_the_first_three_styles_and_the_others_are_the_details() -> None:
    generator, w = _net().generator, torch.randn(2, LAYERS, 8)
    base = generator.base(w)
    picture = generator.details(base, w)
    assert torch.equal(picture, generator(w))
    for layer in range(LAYERS):
        other = w.clone()
        other[:, layer] += 1
        assert torch.equal(generator.details(base, other), picture) == (layer < BASE_LAYERS)
        assert not torch.equal(generator(other), picture), "without a base code, each style counts"


def test_styles_are_measured_in_the_spread_of_those_counted() -> None:
    net = _net()
    mixed = Rng(0).normal(torch.arange(500), (LAYERS, 8)) * torch.linspace(1, 3, 8) + 3
    mixed[..., 1] += mixed[..., 0]
    net.count(mixed)
    assert float(net.unlikely(mixed).mean()) == pytest.approx(1, abs=0.1)
    assert torch.allclose(net.unlikely(net.mean[None]), torch.zeros(1), atol=1e-6)
    far = mixed.mean(0) + 3 * (mixed - mixed.mean(0))
    assert torch.allclose(net.unlikely(far), 9 * net.unlikely(mixed), rtol=1e-3)


def test_pictures_apart() -> None:
    net = _net()
    x, y = torch.rand(2, 3, 3, 32, 32)
    assert torch.equal(net.apart(x, x), torch.zeros(3))
    assert torch.allclose(net.apart(x, y), net.apart(y, x))
    assert bool((net.apart(x, y) > net.apart(x, x + 0.1 * (y - x))).all())


def test_the_loss_uses_the_base_code_where_it_is_told_to() -> None:
    net, x = _net(), torch.rand(4, 3, 32, 32)
    none, every = torch.zeros(4, dtype=torch.bool), torch.ones(4, dtype=torch.bool)
    before = net.loss(x, none)
    net.to_base[-1].bias += 5
    assert torch.equal(net.loss(x, none), before)
    assert not torch.equal(net.loss(x, every), before)


def test_a_size_that_does_not_fit() -> None:
    with pytest.raises(InputError, match="multiples of 16 from 32 pixels on, got 40"):
        _net(40)
