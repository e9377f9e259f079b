"""The invertible network: its transform, its inverse, and what its key does."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.nets.inn import SecureFlow, haar, unhaar
from faceleak.bench.core.seeding import Rng
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

sides = st.integers(1, 9).map(lambda half: 2 * half)
seeds = st.integers(0, 2**31)


def pictures(seed: int, n: int, h: int, w: int) -> Tensor:
    """(n, 3, h, w) in (-1, 1)."""
    return 2 * Rng(seed, "pictures").uniform(torch.arange(n), (3, h, w)) - 1


def key(seed: int, n: int, h: int, w: int) -> Tensor:
    """(n, 1, h, w) of -1 and 1."""
    return (Rng(seed, "key").uniform(torch.arange(n), (1, h, w)) - 0.5).sign()


def awake(blocks: int = 2, growth: int = 4, size: float = 0.05) -> SecureFlow:
    """With weights that say something: untrained, the network is the identity."""
    with Rng(0, "flow").seeds_torch():
        net = SecureFlow(blocks, growth).eval().requires_grad_(False)
        for weight in net.parameters():
            nn.init.normal_(weight, std=size)
    return net


@given(seeds, sides, sides)
@settings(max_examples=25, deadline=None)
def test_haar_comes_back_and_keeps_the_energy(seed: int, h: int, w: int) -> None:
    x = pictures(seed, 2, h, w)
    bands = haar(x)
    assert bands.shape == (2, 12, h // 2, w // 2)
    assert torch.allclose(unhaar(bands), x, atol=1e-6)
    assert torch.allclose(bands.square().sum((1, 2, 3)), x.square().sum((1, 2, 3)), rtol=1e-5)


def test_haar_of_a_known_block() -> None:
    block = torch.tensor([[1.0, 2.0], [3.0, 8.0]])[None, None]
    assert haar(block).flatten().tolist() == [7.0, -3.0, -4.0, 2.0]
    assert haar(torch.ones(1, 3, 4, 4))[:, :3].eq(2).all(), "the means come first"
    assert not haar(torch.ones(1, 3, 4, 4))[:, 3:].any()


@given(seeds, sides, sides, st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_the_inverse_gives_both_pictures_back(seed: int, h: int, w: int, blocks: int) -> None:
    net = awake(blocks)
    cover, original, k = pictures(seed, 2, h, w), pictures(seed + 1, 2, h, w), key(seed, 2, h, w)
    published, rest = net(cover, original, k)
    assert published.shape == cover.shape
    assert rest.shape == (2, 12, h // 2, w // 2)
    assert float((published - cover).abs().max()) > 1e-3, "it does something"
    for got, expected in zip(net.inverse(published, rest, k), (cover, original)):
        assert torch.allclose(got, expected, atol=1e-4)


def test_untrained_it_publishes_the_cover() -> None:
    cover, original, k = pictures(0, 2, 8, 8), pictures(1, 2, 8, 8), key(0, 2, 8, 8)
    published, rest = SecureFlow(2, 4)(cover, original, k)
    assert torch.allclose(published, cover, atol=1e-6)
    assert torch.allclose(rest, haar(original))


def test_every_coupling_reads_the_key() -> None:
    """Another key with what was left over already gives another original; both pictures must depend on it."""
    net = awake(1, size=0.2)
    cover, original, k = pictures(0, 2, 8, 8), pictures(1, 2, 8, 8), key(0, 2, 8, 8)
    published, rest = net(cover, original, k)
    for got, expected in zip(net.inverse(published, rest, -k), (cover, original)):
        assert float((got - expected).abs().mean()) > 0.01


def test_opening_puts_the_key_where_the_rest_was() -> None:
    net, k = awake(), key(0, 2, 8, 8)
    published = pictures(0, 2, 8, 8)
    expected = net.inverse(published, torch.cat([haar(k)] * 3, dim=1), k)[1]
    assert torch.equal(net.open(published, k), expected)


@pytest.mark.parametrize(("blocks", "growth", "count"), [(3, 32, 1_073_040), (2, 16, 254_048)])
def test_size(blocks: int, growth: int, count: int) -> None:
    """The first is the count that the authors' code states for theirs."""
    assert sum(p.numel() for p in SecureFlow(blocks, growth).parameters()) == count


def test_gradients_reach_every_weight() -> None:
    net = awake(2).requires_grad_(True)
    k = key(0, 2, 8, 8)
    published, _ = net(pictures(0, 2, 8, 8), pictures(1, 2, 8, 8), k)
    (net.open(published, k).square().mean() + published.square().mean()).backward()
    assert all(float(p.grad.abs().max()) > 0 for p in net.parameters() if p.grad is not None)
    assert all(p.grad is not None for p in net.parameters())
