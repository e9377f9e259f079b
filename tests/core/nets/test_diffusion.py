"""Noise schedules and samplers against known answers, and a denoiser that two vectors steer to two pictures."""

from __future__ import annotations

import math

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.denoiser import Denoiser
from faceleak.bench.core.nets.diffusion import TIMES, Diffusion, Model, alpha_bar, guided
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.training import Batch, TrainSettings, train
from torch import Tensor

SCHEDULES = ("cosine", "linear", "scaled-linear")
KINDS = [(schedule, predict) for schedule in SCHEDULES for predict in ("velocity", "noise")]
IDS = torch.arange(4)
PICTURES = 2 * Rng(0, "picture").uniform(IDS, (3, 8, 8)) - 1
NOISE = Rng(0, "noise").normal(IDS, (3, 8, 8))


def test_the_schedules_have_their_known_ends() -> None:
    linear, cosine = alpha_bar("linear"), alpha_bar("cosine")
    assert float(linear[0]) == pytest.approx(1 - 1e-4)
    assert float(linear[-1]) == pytest.approx(4.036e-5, rel=1e-3), "DDPM: hardly anything of the picture is left"
    halfway = (math.cos(0.508 / 1.008 * math.pi / 2) / math.cos(0.008 / 1.008 * math.pi / 2)) ** 2
    assert float(cosine[TIMES // 2 - 1]) == pytest.approx(halfway)
    assert float(cosine[-1] / cosine[-2]) == pytest.approx(0.001), "beta is cut at 0.999"
    stable = alpha_bar("scaled-linear")
    assert float(stable[0]) == pytest.approx(1 - 0.00085)
    assert float(stable[-1]) == pytest.approx(4.66e-3, rel=1e-2), "Stable Diffusion: its last alphas_cumprod"
    for share in (linear, cosine, stable):
        assert len(share) == TIMES
        assert bool((share[1:] < share[:-1]).all())
        assert 0 < float(share[-1]) < float(share[0]) < 1


@pytest.mark.parametrize(("schedule", "predict"), KINDS)
def test_what_the_network_is_taught_gives_the_picture_back(schedule: str, predict: str) -> None:
    process = Diffusion(schedule, predict, 1)
    t = torch.tensor([0, 250, 500, 750])
    noisy = process.noised(PICTURES, NOISE, t)
    alpha, sigma = process.alpha[t[1]], process.sigma[t[1]]
    assert torch.allclose(noisy[1], alpha * PICTURES[1] + sigma * NOISE[1])
    assert float(alpha**2 + sigma**2) == pytest.approx(1)
    assert torch.allclose(process.picture(process.target(PICTURES, NOISE, t), noisy, t), PICTURES, atol=1e-5)


@pytest.mark.parametrize(("schedule", "predict"), KINDS)
def test_a_sampler_with_a_perfect_network_returns_the_picture(schedule: str, predict: str) -> None:
    process = Diffusion(schedule, predict, 7)

    def perfect(noisy: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = process.alpha[t[0]], process.sigma[t[0]]
        noise = (noisy - alpha * PICTURES) / sigma
        return noise if predict == "noise" else alpha * noise - sigma * PICTURES

    assert torch.allclose(process.sample(perfect, NOISE), PICTURES, atol=1e-4)


def test_a_sampler_visits_as_many_levels_as_it_is_told() -> None:
    seen = []

    def model(noisy: Tensor, t: Tensor) -> Tensor:
        seen.append(int(t[0]))
        return torch.zeros_like(noisy)

    Diffusion("cosine", "velocity", 4).sample(model, NOISE)
    assert seen == [999, 666, 333, 0]
    for steps in (0, TIMES + 1):
        with pytest.raises(InputError, match=f"got {steps}"):
            Diffusion("cosine", "velocity", steps)


def of_gaussian(process: Diffusion, spread: float) -> Model:
    """The best network for pictures of independent normal values: it says the expected noise (or velocity)."""

    def model(noisy: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = process.alpha[t[0]], process.sigma[t[0]]
        x = alpha * spread**2 / (alpha**2 * spread**2 + sigma**2) * noisy
        return process.target(x, (noisy - alpha * x) / sigma, t)

    return model


@pytest.mark.parametrize("predict", ["velocity", "noise"])
def test_inversion_finds_the_noise_that_gives_the_picture(predict: str) -> None:
    process, x = Diffusion("scaled-linear", predict, 20, math.inf), 2.5 * NOISE
    model = of_gaussian(process, 2.5)
    lost = []
    for rounds in (1, 2, 6):
        noise = process.invert(model, x, rounds)
        lost.append(float((process.sample(model, noise) - x).abs().max()))
        assert 0.8 < float(noise.std() / NOISE.std()) < 1.2, "pictures of spread 2.5, and noise of spread 1"
    assert lost[0] > 5 * lost[1] > 25 * lost[2], "each round comes nearer"
    assert lost[2] < 1e-3


@pytest.mark.parametrize(("strength", "skipped"), [(1.0, 0), (0.9, 1), (0.6, 4), (0.0, 9)])
def test_a_sampler_may_start_from_a_picture_under_some_noise(strength: float, skipped: int) -> None:
    process = Diffusion("scaled-linear", "noise", 10, math.inf)
    assert process.entry(strength) == skipped
    assert skipped == 9 or process.times[skipped] < 1000 * strength <= 1 + process.times[max(0, skipped - 1)]
    start = torch.full((4,), process.times[skipped])
    x = 3 * PICTURES

    def perfect(noisy: Tensor, t: Tensor) -> Tensor:
        return (noisy - process.alpha[t[0]] * x) / process.sigma[t[0]]

    assert torch.allclose(process.sample(perfect, process.noised(x, NOISE, start), skipped), x, atol=1e-3)


def test_a_guide_is_shown_the_guess_at_every_step_and_bends_the_path() -> None:
    process, shown = Diffusion("cosine", "velocity", 5, math.inf), []
    model = of_gaussian(process, 1.0)

    def guide(x: Tensor) -> Tensor:
        shown.append(x)
        return 0.1 * x

    plain, bent = process.sample(model, NOISE), process.sample(model, NOISE, guide=guide)
    assert len(shown) == 4, "once between two levels"
    assert torch.equal(process.sample(model, NOISE, guide=torch.zeros_like), plain)
    assert bool((bent.abs() < plain.abs()).all()), "its energy is the square of the picture"


def test_guidance_is_the_line_through_what_is_said_without_and_with_the_condition() -> None:
    def net(noisy: Tensor, t: Tensor, z: Tensor) -> Tensor:
        return noisy + 0.1 * t.reshape(-1, 1, 1, 1) + z.square().sum(1).reshape(-1, 1, 1, 1)

    t, z = torch.tensor([1, 2, 3, 4]), Rng(0).normal(IDS, (5,))
    without, said = net(NOISE, t, 0 * z), net(NOISE, t, z)
    assert torch.equal(guided(net, z, 0)(NOISE, t), without)
    assert torch.equal(guided(net, z, 1)(NOISE, t), said)
    assert torch.allclose(guided(net, z, 2.5)(NOISE, t), without + 2.5 * (said - without), atol=1e-5)


def test_two_vectors_steer_the_same_noise_to_two_pictures() -> None:
    halves = torch.full((2, 3, 8, 8), -0.8)
    halves[0, :, :4], halves[1, :, :, 4:] = 0.8, 0.8  # the upper half is light, the right half is light
    z = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])
    rng, process = Rng(0, "overfit"), Diffusion("cosine", "velocity", 10)
    with rng.child("weights").seeds_torch():
        net = Denoiser(3, 8, 8, 1, 1)

    def loss(batch: Batch) -> Tensor:
        ids, which = batch.step * 16 + torch.arange(16), torch.arange(16) % 2
        t = (rng.child("level").uniform(ids) ** 0.25 * TIMES).long()
        noise = rng.child("noise").normal(ids, (3, 8, 8))
        said = net(process.noised(halves[which], noise, t), t, z[which])
        return (said - process.target(halves[which], noise, t)).square().mean()

    train(net, loss, 2, TrainSettings(120, 2, lr=1e-2), rng=rng, progress=Progress())
    with torch.no_grad():
        drawn = process.sample(lambda noisy, t: net(noisy, t, z), NOISE[:1].repeat(2, 1, 1, 1))
    apart = (drawn[:, None] - halves[None]).abs().flatten(2).mean(2)  # (drawn, wanted)
    assert float(apart.diagonal().max()) < float(apart.flip(1).diagonal().min()) / 2


def test_a_denoiser_says_nothing_before_it_learns_and_treats_samples_alone() -> None:
    net = Denoiser(5, 16, 12, 2, 2).eval()
    noisy, t, z = Rng(0).normal(IDS, (3, 16, 16)), torch.tensor([0, 10, 500, 999]), Rng(1).normal(IDS, (5,))
    assert not net(noisy, t, z).any()
    for weight in net.parameters():
        if not weight.any():
            torch.nn.init.constant_(weight, 0.1)
    with torch.no_grad():
        whole = net(noisy, t, z)
        alone = torch.cat([net(noisy[i : i + 1], t[i : i + 1], z[i : i + 1]) for i in range(4)])
        later = net(noisy, t.roll(1), z)
        other = net(noisy, t, z.roll(1, 0))
    assert torch.allclose(whole, alone, atol=1e-4)
    assert not torch.allclose(whole, later, atol=1e-2)
    assert not torch.allclose(whole, other, atol=1e-2)


def test_the_full_form_has_as_many_parameters_as_the_settings_say() -> None:
    with torch.device("meta"):
        net = Denoiser(512, 64, 64, 3, 1)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(21e6, rel=0.01)


def test_a_denoiser_of_codes_has_their_channels() -> None:
    net = Denoiser(5, 4, 12, 1, 1, 12)
    assert net(torch.zeros(2, 12, 4, 4), torch.tensor([0, 5]), torch.zeros(2, 5)).shape == (2, 12, 4, 4)
    with pytest.raises(InputError, match=r"at least 12 patch\^2, 12; got side 4 and width 8"):
        Denoiser(5, 4, 8, 1, 1, 12)


@pytest.mark.parametrize(("size", "width", "seen"), [(24, 48, "side 24"), (32, 50, "width 50"), (32, 44, "width 44")])
def test_sizes_that_do_not_divide_are_refused(size: int, width: int, seen: str) -> None:
    with pytest.raises(InputError, match=seen):
        Denoiser(5, size, width, 2, 4)
