"""StyleGAN3 against published schedules, scipy's filters, its formulas, and what its paper promises."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.alias_free import Band, bands, filtered_activation, kaiser_low_pass, lowered, raised
from faceleak.bench.core.nets.stylegan3 import StyleGan3
from faceleak.bench.core.weights import load_strictly
from generators import BANDS, W_DIM, WIDTHS, kaiser_filter, tiny_stylegan2, tiny_stylegan3
from torch import Tensor


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def generator(config: str = "T") -> StyleGan3:
    state = tiny_stylegan3(config)  # type: ignore[arg-type]
    net = StyleGan3(state)
    load_strictly(net, state, "", "test")
    return net.eval().requires_grad_(False)


def psnr(x: Tensor, y: Tensor) -> float:
    """In decibels, for signals whose range is counted as twice their standard deviation."""
    return float(10 * ((4 * y.var()) / (x - y).square().mean()).log10())


def test_the_schedule_is_the_published_one() -> None:
    plan = bands(1024, 14)  # as NVIDIA's network of FFHQ prints it
    assert [b.size for b in plan] == [36, 36, 52, 52, 84, 148, 148, 276, 276, 532, 1044, 1044, 1044, 1024, 1024]
    assert [b.rate for b in plan] == [16, 16, 32, 32, 64, 128, 128, 256, 256, 512, 1024, 1024, 1024, 1024, 1024]
    assert [round(b.cutoff, 3) for b in plan[:5]] == [2, 3.175, 5.04, 8, 12.699]
    assert [round(b.half_width, 3) for b in plan[-6:]] == [128, 308.813, 189.46, 118.346, 118.346, 118.346]
    assert [b.size for b in bands(512, 14)] == [36, 36, 52, 52, 84, 84, 148, 148, 276, 276, 532, 532, 532, 512, 512]
    for mine, (cutoff, half_width, rate, size) in zip(bands(32, 5), BANDS, strict=True):
        assert (mine.rate, mine.size) == (rate, size)
        assert (mine.cutoff, mine.half_width) == pytest.approx((cutoff, half_width))


@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize(("taps", "half_width"), [(12, 3.7), (12, 8.0), (24, 6.0), (12, 0.3)])
def test_filters_are_scipy_s(taps: int, half_width: float, radial: bool) -> None:
    mine = kaiser_low_pass(taps, Band(5.0, half_width, 32, 52), 64, radial=radial)
    assert torch.allclose(mine, kaiser_filter(taps, 5.0, half_width, 64, radial=radial), atol=1e-6)
    if radial:
        assert torch.equal(mine, mine.T)
        places = torch.tensor([[5.5, 5.5], [5.5, -5.5]])
        turned = places @ torch.tensor([[0.6, -0.8], [0.8, 0.6]])
        assert torch.allclose(response(mine, places / 12), response(mine, turned / 12), atol=0.02)


def response(kernel: Tensor, frequency: Tensor) -> Tensor:
    """(n,) what is left of waves of (n, 2) cycles per sample."""
    place = torch.arange(len(kernel)) - (len(kernel) - 1) / 2
    phase = frequency[:, 0, None, None] * place + frequency[:, 1, None, None] * place[:, None]
    return ((2 * math.pi * phase).cos() * kernel).sum((1, 2))


def test_rates_are_changed_without_losing_the_signal() -> None:
    low_pass = kaiser_low_pass(24, Band(4.0, 3.0, 16, 36), 64)
    wave = waves(1.0, 16, 40)
    fine = raised(wave, low_pass, 4)
    assert fine.shape[-1] == 39 * 4 + 24
    inner = slice(30, -30)
    middle = (torch.arange(fine.shape[-1]) - (fine.shape[-1] - 1) / 2) / 64
    assert torch.allclose(fine[0, 0, 90, inner], (2 * math.pi * middle).cos()[inner], atol=0.05)
    back = lowered(fine, low_pass, 4)
    assert back.shape[-1] == 40
    assert torch.allclose(back[..., 8:-8, 8:-8], wave[..., 8:-8, 8:-8], atol=0.06)


def waves(cycles: float, rate: int, size: int) -> Tensor:
    """(1, 1, size, size), which changes along x only."""
    place = (torch.arange(size) - (size - 1) / 2) / rate
    return (2 * math.pi * cycles * place).cos().expand(1, 1, size, -1)


def test_the_activation_adds_no_false_frequencies() -> None:
    """Of 5 cycles a leaky ReLU makes 10, 20, 30 ...; at a rate of 32, 20 would pass for 12 and 30 for 2."""
    x, low_pass = waves(5.0, 32, 52), kaiser_low_pass(12, Band(8.0, 8.0, 32, 52), 64)
    filtered = filtered_activation(x, low_pass, low_pass, (2, 2), 52)
    plain = F.leaky_relu(x, 0.2) * math.sqrt(2)
    assert filtered.shape == plain.shape
    spectra = [torch.fft.rfft(y[0, 0, 26, 10:42]).abs() for y in (plain, filtered)]
    false = [float(s[[2, 12]].square().sum()) for s in spectra]
    assert false[0] > 0.5
    assert false[1] < 0.01 * false[0]
    passed = float((2 * math.pi * 5 / 64 * (torch.arange(12) - 5.5)).cos() @ low_pass)
    assert float(spectra[1][5] / spectra[0][5]) == pytest.approx(passed**2, abs=0.01), (
        "what was there is filtered twice"
    )


def test_the_input_is_its_formula() -> None:
    net, state, w = generator(), tiny_stylegan3(), draw(2, W_DIM)
    net.synthesis.input.transform.copy_(torch.tensor([[0.8, -0.6, 0.1], [0.6, 0.8, -0.2], [0.0, 0.0, 1.0]]))
    found = net.synthesis.input(w)
    part = {name.removeprefix("synthesis.input."): value for name, value in state.items()}
    own = w @ part["affine.weight"].T / math.sqrt(W_DIM) + part["affine.bias"]
    for n, (row, column) in enumerate([(3, 30), (20, 7)]):
        c, s, right, down = own[n] / own[n, :2].square().sum().sqrt()
        place = net.synthesis.input.transform @ torch.tensor([(column - 17.5) / 16, (row - 17.5) / 16, 1.0])
        x, y = place[0] - right, place[1] - down
        x, y = c * x - s * y, s * x + c * y
        wave = (2 * math.pi * (part["freqs"][:, 0] * x + part["freqs"][:, 1] * y + part["phases"])).sin()
        assert torch.allclose(found[n, :, row, column], part["weight"] @ wave / math.sqrt(WIDTHS[0]), atol=1e-4)


def test_waves_too_fine_for_the_rate_fade() -> None:
    source, w = generator().synthesis.input, draw(1, W_DIM)
    source.freqs.copy_(torch.tensor([2.0, 0.0]).expand(WIDTHS[0], 2))
    before = source(w).square().mean()
    source.transform[0, 0] = source.transform[1, 1] = 2.5  # 5 cycles: half way from the cutoff of 2 to half the rate
    assert float(source(w).square().mean() / before) == pytest.approx(0.25, abs=0.05)
    source.transform[0, 0] = source.transform[1, 1] = 4.0
    assert float(source(w).abs().max()) == 0


def test_a_layer_is_its_formula() -> None:
    net, state = generator(), tiny_stylegan3()
    name = f"synthesis.L0_36_{WIDTHS[1]}"
    x, w = draw(2, WIDTHS[0], 36, 36), draw(2, W_DIM, seed=1)
    style = w @ state[f"{name}.affine.weight"].T / math.sqrt(W_DIM) + state[f"{name}.affine.bias"]
    layer = net.get_submodule(name)
    for n in range(2):
        weight = state[f"{name}.weight"] * style[n, None, :, None, None]
        weight = weight / weight.square().sum((1, 2, 3), keepdim=True).sqrt() / state[f"{name}.magnitude_ema"].sqrt()
        y = F.conv2d(x[n, None], weight, padding=2) + state[f"{name}.bias"][:, None, None]
        up, down = state[f"{name}.up_filter"], state[f"{name}.down_filter"]
        wide = torch.zeros(1, WIDTHS[1], 2 * 38, 2 * 38)
        wide[:, :, ::2, ::2] = y
        # Twice 38 samples, zeros among them, to twice 36 of the same middle: half a sample behind is one less.
        wide = F.conv2d(F.pad(wide, (9, 8, 9, 8)).flatten(0, 1)[:, None], 4 * torch.outer(up, up)[None, None])
        wide = torch.where(wide > 0, wide, 0.2 * wide) * math.sqrt(2)
        y = F.conv2d(wide, torch.outer(down, down)[None, None])[:, :, ::2, ::2][:, 0]
        assert torch.allclose(layer(x, w)[n], y, atol=1e-4)


def test_the_colours_are_their_formula() -> None:
    net, state, w = generator(), tiny_stylegan3(), draw(2, W_DIM)
    colours, name = net.synthesis.get_submodule("L5_32_3"), "synthesis.L5_32_3"
    seen: list[Tensor] = []
    colours.register_forward_hook(lambda layer, given, made: seen.append(given[0]))
    images = net.synthesis(w)
    style = w @ state[f"{name}.affine.weight"].T / math.sqrt(W_DIM) + state[f"{name}.affine.bias"]
    mixing = state[f"{name}.weight"][None, :, :, 0, 0] * style[:, None] / math.sqrt(WIDTHS[5])  # (2, 3, C)
    mixed = torch.einsum("noc,nchw->nohw", mixing, seen[0]) / state[f"{name}.magnitude_ema"].sqrt()
    assert torch.allclose(images, 0.25 * (mixed + state[f"{name}.bias"][:, None, None]), atol=1e-5)


def test_activations_are_bounded() -> None:
    low_pass = kaiser_low_pass(12, Band(8.0, 8.0, 32, 52), 64)
    flat = filtered_activation(torch.full((1, 1, 40, 40), 1e6), low_pass, low_pass, (2, 2), 40)
    assert torch.allclose(flat[..., 10:-10, 10:-10], torch.tensor(256.0))


def shifted(net: StyleGan3, w: Tensor, right: float, down: float) -> Tensor:
    """Pictures whose content has moved by so many pixels."""
    net.synthesis.input.transform[:2, 2] = -torch.tensor([right, down]) / net.side
    return net.synthesis(w)


@pytest.mark.parametrize("config", ["T", "R"])
def test_moving_the_waves_moves_the_picture(config: str) -> None:
    net, w = generator(config), draw(4, W_DIM)
    still, moved = shifted(net, w, 0, 0), shifted(net, w, 3, -2)
    assert still.shape == (4, 3, 32, 32)
    assert psnr(moved[:, :, 2:28, 5:30], still[:, :, 4:30, 2:27]) > 70
    assert psnr(moved[:, :, 2:28, 5:30], still[:, :, 2:28, 5:30]) < 20, "it is another picture"
    half = shifted(net, w, 0.5, 0)  # no pixel stays one
    twice = shifted(net, w, -0.5, 0)
    assert psnr(half[..., 4:28, 5:28], twice[..., 4:28, 4:27]) > 70


def test_r_turns_with_its_waves_and_t_does_not() -> None:
    found = {}
    for config in ("T", "R"):
        net, w = generator(config), draw(4, W_DIM)
        still = net.synthesis(w)
        net.synthesis.input.transform[:2, :2] = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        turned = net.synthesis(w)
        found[config] = psnr(turned, still.rot90(1, (2, 3)))
    assert found["R"] > 90
    assert found["T"] < 20


def test_pictures_of_a_latent() -> None:
    net, w = generator("R"), draw(3, W_DIM)
    images = net.synthesis(w)
    assert torch.equal(net.synthesis(w), images)
    assert torch.allclose(net.synthesis(w[1:2]), images[1:2], atol=1e-5)
    assert not torch.allclose(images[0], images[1], atol=1e-2)
    assert (net.z_dim, net.dim, net.side, net.config) == (6, W_DIM, 32, "R")
    assert generator("T").config == "T"


def without(part: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda state: {name: value for name, value in state.items() if part not in name}


@pytest.mark.parametrize(
    "harm",
    [
        lambda state: tiny_stylegan2(),
        without("mapping."),
        without("synthesis.input"),
        without("L2_"),
        without("L5_"),
        lambda state: state | {"mapping.embed.weight": draw(5, 2)},
    ],
    ids=["StyleGAN2", "no mapping", "no waves", "a layer is missing", "no colours", "labels"],
)
def test_weights_of_something_else_are_refused(harm: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    with pytest.raises(InputError, match="not the weights of a StyleGAN3"):
        StyleGan3(harm(tiny_stylegan3()))


def test_another_schedule_is_refused() -> None:
    state = tiny_stylegan3()
    with pytest.raises(
        InputError, match=r"has maps of \[36, 36, 52, 60, 32, 32\] instead of \[36, 36, 52, 52, 32, 32\]"
    ):
        StyleGan3({name.replace("L3_52", "L3_60"): value for name, value in state.items()})
    state["synthesis.L0_36_8.up_filter"] = kaiser_filter(12, 3.0, 5.0, 32)
    with pytest.raises(InputError, match=r"another synthesis\.L0_36_8\.up_filter .* other cutoffs"):
        StyleGan3(state)
