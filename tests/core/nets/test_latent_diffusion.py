"""Codes of pictures of any side, and conditions that hold where they should."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.nets.latent_diffusion import LatentAutoencoder, LatentDiffusion, coded_side
from faceleak.bench.core.nets.multiscale import BUCKETS
from faceleak.bench.core.seeding import Rng

IDS = torch.arange(3)


def model(side: int = 32, levels: int = 1, widths: tuple[int, ...] = (3, 4, 5, 6, 7)) -> LatentDiffusion:
    with Rng(0, "weights").seeds_torch():
        net = LatentDiffusion(side, 12, 8, 12, levels, 6, "noise", widths)
        for weight in net.denoiser.parameters():
            if not weight.any():
                torch.nn.init.normal_(weight, std=0.1)  # what begins at zero would say nothing
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("side", [16, 24, 40, 112])
def test_any_side_that_eight_divides(side: int) -> None:
    net = model(side, levels=2)
    x = Rng(0, "x").uniform(IDS[:2], (3, side, side))
    z = net.encode(x)
    assert z.shape == (2, 12, side // 8, side // 8) == (2, *net.shape)
    y = net.decode(z)
    assert y.shape == x.shape
    assert 0 <= float(y.min()) <= float(y.max()) <= 1
    assert net.process(2).invert(net.steered(z.new_zeros(2, BUCKETS, 6)), z).shape == z.shape


def test_the_side_is_the_nearest_that_eight_divides() -> None:
    assert [coded_side(side) for side in (5, 32, 64, 67, 70, 112)] == [16, 32, 64, 64, 72, 112]
    net = model(32)
    x = Rng(0, "x").uniform(IDS, (3, 50, 44))
    assert net.encode(x).shape == (3, 12, 4, 4), "other pictures are resized"


def test_standardising_changes_what_codes_are_and_not_what_they_stand_for() -> None:
    with Rng(0, "weights").seeds_torch():
        net = LatentAutoencoder(12, 8)
    x = Rng(0, "x").uniform(IDS, (3, 32, 32))
    with torch.no_grad():
        before = net.decode(net.encode(x))
        net.standardize.fit(net.code(x))
        z = net.encode(x)
    assert torch.allclose(net.decode(z), before, atol=1e-4)
    assert torch.allclose(z.mean((0, 2, 3)), torch.zeros(12), atol=1e-4)
    assert torch.allclose(z.std((0, 2, 3), unbiased=False), torch.ones(12), atol=1e-3)


def test_a_first_code_is_that_of_principal_components() -> None:
    """Pictures whose squares differ in three ways only need no convolution and three channels."""
    net = LatentAutoencoder(3, 8)
    ways = 0.06 * Rng(0, "ways").normal(torch.arange(3), (3, 8, 8))
    weights = Rng(0, "weights").uniform(torch.arange(20), (3, 4, 4)) - 0.5
    x = 0.5 + torch.einsum("nkij,kcab->nciajb", weights, ways).reshape(20, 3, 32, 32)
    net.aim(x)
    with torch.no_grad():
        code = net.code(x)
        y = net.drawn(code)
    assert torch.allclose(code.std((0, 2, 3)), torch.ones(3), atol=1e-2)
    assert float((y - x).square().mean()) < 0.01 * float((x - x.mean()).square().mean())


def test_the_loss_of_an_autoencoder() -> None:
    with Rng(0, "weights").seeds_torch():
        net = LatentAutoencoder(12, 8).requires_grad_(False)
    x, noise = Rng(0, "x").uniform(IDS, (3, 32, 32)), Rng(0, "noise").normal(IDS, (12, 4, 4))
    z = net.code(x)
    plain = net.loss(x, 0 * noise, 0.0)
    assert float(net.loss(x, 0 * noise, 0.5) - plain) == pytest.approx(0.5 * float(z.square().mean()), rel=1e-3)
    assert float(net.loss(net.drawn(z + noise), noise, 0.0)) > 0, "its code is another one"
    y = net.drawn(z + noise)
    assert float(net.loss(x, noise, 0.0)) > float((y - x).abs().mean()), "structure counts beside pixels"


def test_each_noise_level_has_the_condition_of_its_bucket_down_to_where_there_is_none() -> None:
    net = model()
    z = Rng(0, "z").normal(IDS, net.shape)
    c = Rng(0, "c").normal(IDS, (BUCKETS, 6))
    steered, free = net.steered(c, down_to=0.4), net.steered(torch.zeros_like(c))
    for time in (0, 399, 400, 650, 999):
        t = torch.full((3,), time)
        own = c.clone()
        own[:, [b for b in range(BUCKETS) if b != 10 * time // 1000]] = 0
        assert torch.equal(net.steered(own, down_to=0.4)(z, t), steered(z, t)), "other buckets do not matter"
        assert torch.equal(steered(z, t), free(z, t)) == (time < 400)
    mixed = torch.tensor([10, 500, 990])
    alone = torch.cat([net.steered(c[i : i + 1], 0.4)(z[i : i + 1], mixed[i : i + 1]) for i in range(3)])
    assert torch.allclose(steered(z, mixed), alone, atol=1e-4), "each picture by its own level"
    twice = net.steered(c, down_to=0.4, guidance=2.0)(z, mixed)
    assert torch.allclose(twice, 2 * steered(z, mixed) - free(z, mixed), atol=1e-4)


def test_without_layers_there_are_no_conditions() -> None:
    net = model(widths=())
    assert net.conditions is None
    assert not net.embeddings([], 3).any()
    assert net.embeddings([], 3).shape == (3, BUCKETS, 6)
