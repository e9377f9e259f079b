"""StyleGAN2 against its formulas, written out sample by sample."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.stylegan2 import StyleGan2, doubled, low_pass, modulated
from generators import CHANNELS, W_DIM, Z_DIM, tiny_stylegan2
from torch import Tensor


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def generator() -> StyleGan2:
    net = StyleGan2(tiny_stylegan2())
    net.load_state_dict(tiny_stylegan2(), strict=True)
    return net.eval().requires_grad_(False)


def spread_out(x: Tensor) -> Tensor:
    """(C, h, w) -> (C, 2h, 2w) with zeros in between."""
    wide = torch.zeros(len(x), 2 * x.shape[1], 2 * x.shape[2])
    wide[:, ::2, ::2] = x
    return wide


def filtered(x: Tensor, pad: tuple[int, int]) -> Tensor:
    """(C, h, w) padded by ``pad`` before and behind, then [1, 3, 3, 1] along both sides with gain 4."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    return F.conv2d(F.pad(x, 2 * pad)[:, None], torch.outer(line, line)[None, None])[:, 0]


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_modulated_convolution_is_each_sample_s_own_convolution(up: bool, demodulate: bool) -> None:
    x, weight, style = draw(3, 4, 6, 6), draw(5, 4, 3, 3, seed=1), draw(3, 4, seed=2)
    y = modulated(x, weight, style, demodulate=demodulate, double=low_pass() if up else None)
    for one, s, found in zip(x, style, y, strict=True):
        mine = weight * s[None, :, None, None]
        if demodulate:
            mine = mine / (mine.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:  # the releases convolve where they double, and correlate where they do not
            expected = F.conv2d(filtered(spread_out(one), (3, 2))[None], mine.flip(2, 3))[0]
        else:
            expected = F.conv2d(one[None], mine, padding=1)[0]
        assert torch.allclose(found, expected, atol=1e-5)


def test_doubling_a_picture() -> None:
    x = draw(2, 3, 5, 5)
    y = doubled(x, low_pass())
    assert torch.allclose(y[0], filtered(spread_out(x[0]), (2, 1)), atol=1e-6)
    flat = doubled(torch.full((1, 3, 5, 5), 0.7), low_pass())
    assert torch.allclose(flat[:, :, 1:-1, 1:-1], torch.tensor(0.7)), "a flat picture stays as it is"


def test_the_mapping_is_its_formula() -> None:
    net, state, z = generator(), tiny_stylegan2(), draw(4, Z_DIM)
    x = z / z.square().mean(1, keepdim=True).sqrt()
    for layer in range(2):
        weight, bias = (0.01 * state[f"mapping.fc{layer}.{part}"] for part in ("weight", "bias"))
        y = x @ weight.T / math.sqrt(weight.shape[1]) + bias
        x = torch.where(y > 0, y, 0.2 * y) * math.sqrt(2)
    assert torch.allclose(net.mapping(z), x, atol=1e-5)


def test_the_first_block_is_its_formula() -> None:
    net, state, w = generator(), tiny_stylegan2(), draw(2, W_DIM)

    def part(name: str) -> Tensor:
        return state[f"synthesis.b4.{name}"]

    def style(layer: str) -> Tensor:
        return w @ part(f"{layer}.affine.weight").T / math.sqrt(W_DIM) + part(f"{layer}.affine.bias")

    const = part("const").expand(2, -1, -1, -1)
    x = modulated(const, part("conv1.weight"), style("conv1"))
    x = x + part("conv1.noise_strength") * part("conv1.noise_const") + part("conv1.bias")[:, None, None]
    x = torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)
    colours = (part("torgb.weight")[None, :, :, 0, 0] * style("torgb")[:, None]) / math.sqrt(CHANNELS[4])  # (2, 3, C)
    image = torch.einsum("noc,nchw->nohw", colours, x) + part("torgb.bias")[:, None, None]
    found_x, found_image = net.synthesis.get_submodule("b4")(w, w, w)
    assert torch.allclose(found_x, x, atol=1e-5)
    assert torch.allclose(found_image, image, atol=1e-5)


def test_pictures_of_a_latent() -> None:
    net, w = generator(), draw(3, W_DIM)
    images = net.synthesis(w)
    assert images.shape == (3, 3, 16, 16)
    assert torch.equal(net.synthesis(w), images), "the noise is constant"
    assert torch.allclose(net.synthesis(w[1:2]), images[1:2], atol=1e-5)
    assert not torch.allclose(images[0], images[1], atol=1e-2)


@pytest.mark.parametrize(
    "harm",
    [
        lambda state: {"conv.weight": draw(3, 3)},
        lambda state: {k: v for k, v in state.items() if not k.startswith("mapping.")},
        lambda state: {k: v for k, v in state.items() if not k.startswith("synthesis.b8.")},
        lambda state: state | {"mapping.embed.weight": draw(5, 2)},
    ],
    ids=["another network", "no mapping", "a side is missing", "labels"],
)
def test_weights_of_something_else_are_refused(harm) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="not the weights of a StyleGAN2"):
        StyleGan2(harm(tiny_stylegan2()))
