"""DCTDP: the noise is as large as stated, so is the privacy, and nobody may use it before it knows the sensitivity."""

from __future__ import annotations

import math

import pytest
import torch
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.nets.bdct import bdct
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.defenses.dctdp import AC, DCTDP, coefficients, smallest
from systems import CPU, ToySystem, faces, recognizer

SOURCE = SecretSource.installation(0)
SMALL = {"side": 16, "server_steps": 2, "server_batch": 8, "sensitivity_pictures": 40}
N = 189 * 16 * 16


def _train(count: int = 40) -> FaceSet:
    return faces()["public"].subset(torch.arange(count), "few")


def _context() -> FitContext:
    return FitContext(recognizer("toy-a"), _train(), Rng(0, "defense"), CPU, Progress())


def _fitted(**settings: object) -> DCTDP:
    return DCTDP(SMALL | settings).fit(_context())  # type: ignore[return-value]


def _pictures() -> torch.Tensor:
    return _train().resized(torch.arange(40), 16)


def test_only_the_three_means_stay_behind() -> None:
    x = _pictures()[:2]
    assert set(range(192)) - set(AC) == {0, 64, 128}
    assert torch.equal(coefficients(x), bdct(x)[:, list(AC)])
    assert float(coefficients(torch.full((1, 3, 16, 16), 0.7)).abs().max()) < 2e-2


def test_the_order_statistics_are_those_of_all_pictures() -> None:
    x = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    for keep in (1, 4):
        kept = torch.empty(0, 5)
        for part in x.split(7):
            kept = smallest(torch.cat([kept, part]), keep)
        assert torch.equal(kept.amax(0), x.sort(0).values[keep - 1])


def test_the_range_is_that_of_the_training_pictures() -> None:
    defense, c = _fitted(), coefficients(_pictures())
    assert torch.allclose(defense.low, c.amin(0), atol=1e-4)
    assert torch.allclose(defense.high, c.amax(0), atol=1e-4)
    inner = _fitted(sensitivity="quantile", quantile=0.1)
    assert torch.allclose(inner.low, c.sort(0).values[3], atol=1e-4)  # m = 4 of 40
    assert torch.allclose(inner.high, c.sort(0).values[-4], atol=1e-4)


@pytest.mark.parametrize("sensitivity", ["range", "quantile"])
def test_no_two_pictures_differ_by_more_than_the_sensitivity(sensitivity: str) -> None:
    """What the noise is added to, for pictures far outside the training set: same secret, so the noise cancels."""
    defense = _fitted(sensitivity=sensitivity, quantile=0.1)
    wild = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)).round()
    draw = SOURCE.draw(torch.tensor([7, 7]))
    first, second = defense.encode(wild, draw).double()
    slack = 1e-5 * (first.abs() + second.abs()) + 1e-4
    assert bool(((first - second).abs() <= defense.sensitivity + slack).all())
    bare = _fitted(sensitivity="one")
    first, second = bare.encode(wild, draw)
    assert float(((first - second).abs() > 1).float().mean()) > 0.2, "Delta = 1 is not the sensitivity of anything"


def test_the_noise_has_the_distribution_and_the_independence_of_laplace() -> None:
    x = Rng(0, "noise").laplace(torch.arange(8), (50, 20, 20)).double()
    order = x.flatten().sort().values
    wanted = torch.where(order < 0, order.exp() / 2, 1 - (-order).exp() / 2)
    steps = torch.arange(1, len(order) + 1).double() / len(order)
    assert float((wanted - steps).abs().max()) < 1.63 / math.sqrt(len(order)), "Kolmogorov-Smirnov at 1 %"
    halves = torch.corrcoef(torch.stack([x[:, :25].flatten(), x[:, 25:].flatten()]))[0, 1]
    assert abs(float(halves)) < 0.01, "both halves come from the same 64 bits"
    assert torch.equal(Rng(0, "noise").laplace(torch.tensor([3]), (50, 20, 20))[0].double(), x[3])


def test_the_noise_is_laplace_of_the_stated_scale() -> None:
    """scale = Delta_i / eps_i element by element, after the budget was made uneven by hand."""
    defense = _fitted(epsilon_mean=2.0)
    with torch.no_grad():
        defense.budget.rho.theta.normal_(generator=torch.Generator().manual_seed(0)).div_(defense.budget.rho.times)
    x = _pictures()[:1].expand(200, -1, -1, -1)
    sent = torch.cat([defense.encode(x[:50], SOURCE.draw(torch.arange(50) + 50 * k)) for k in range(4)])
    plain = torch.minimum(torch.maximum(coefficients(x[:1]), defense.low), defense.high)
    rho = (defense.budget.rho.theta * defense.budget.rho.times).double()
    epsilon = torch.softmax(rho.flatten(), 0).reshape(rho.shape) * 2.0 * N
    noise = (sent - plain).double() * epsilon / defense.sensitivity.clamp(min=1e-9)
    alive = defense.sensitivity > 1e-2  # elsewhere rounding of the coefficient is larger than its range
    noise = noise[:, alive]
    assert abs(float(noise.abs().mean()) - 1) < 0.01, "E|Laplace(0, 1)| = 1"
    assert abs(float(noise.square().mean()) - 2) < 0.05
    assert abs(float(noise.mean())) < 0.01, "no shift"
    element = noise.abs().mean(0)
    assert float((element - 1).abs().max()) < 0.6, "every element, at 200 draws"


def test_the_budget_is_spent_in_full_and_both_figures_are_reported() -> None:
    defense = _fitted(epsilon_mean=0.5)
    found = defense.properties()
    assert math.isclose(found["epsilon_element"], 0.5, rel_tol=1e-4)
    assert math.isclose(found["epsilon"], 0.5 * N, rel_tol=1e-4)


def test_with_delta_one_the_report_says_what_the_noise_amounts_to() -> None:
    """The released code's 0.5 is not 0.5: scale 1 / eps against a coefficient's range."""
    defense = _fitted(sensitivity="one", epsilon_mean=0.5)
    spread = (defense.high - defense.low).double().mean()
    found = defense.properties()
    assert math.isclose(found["epsilon_element"], 0.5 * float(spread), rel_tol=0.05), "rho has moved but little"
    assert math.isclose(found["epsilon"], N * found["epsilon_element"], rel_tol=1e-6)


def test_with_delta_one_a_linear_inverse_sees_the_face() -> None:
    """Least squares on the noisy channels of Y, the unknown mean given: the face, against the released code."""
    grey = _pictures()[:8].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    one_hot = torch.eye(256).reshape(256, 1, 16, 16).expand(-1, 3, -1, -1)
    forward = coefficients(one_hot)[:, :63].flatten(1).double()  # (pixels, coefficients); without means it is linear
    gram = forward @ forward.T
    found = {}
    for kind in ("one", "range"):
        sent = _fitted(sensitivity=kind, epsilon_mean=0.5).encode(grey, SOURCE.draw(torch.arange(8)))
        seen = sent[:, :63].flatten(1).double() @ forward.T
        back = torch.linalg.solve(gram + 1e-4 * gram.diagonal().mean() * torch.eye(256), seen.T).T
        wanted = grey[:, 0].flatten(1).double()
        back = back - back.mean(1, keepdim=True) + wanted.mean(1, keepdim=True)
        found[kind] = float(-10 * (back - wanted).square().mean(1).log10().mean())
    assert found["one"] > 35, found
    assert found["range"] < found["one"] - 5, found


def test_rho_learns_together_with_the_server_at_its_own_rate() -> None:
    one, fast = (_fitted(server_steps=4, rho_lr=rate) for rate in (1e-3, 1e-1))
    moved = [(d.budget.rho.theta.abs() * d.budget.rho.times).mean() for d in (one, fast)]
    assert float(moved[0]) > 1e-5
    assert 30 < float(moved[1] / moved[0]) < 300
    assert not any(p.requires_grad for p in one.parameters())


def test_noise_is_drawn_at_test_time_and_for_each_presentation() -> None:
    defense, x = _fitted(), _pictures()[:4]
    ids = torch.arange(4)
    again = [defense.encode(x, SOURCE.draw(ids, p)) for p in (0, 0, 1)]
    assert torch.equal(again[0], again[1])
    alive = defense.sensitivity > 1e-2
    assert bool((again[0] != again[2])[:, alive].any(0).all())


def test_without_a_sensitivity_there_is_no_release() -> None:
    defense = DCTDP(SMALL)
    defense._build(_context())
    object.__setattr__(defense, "recognizer", recognizer("toy-a"))
    with pytest.raises(InputError, match="the sensitivity was not fitted"):
        defense.encode(_pictures()[:2], SOURCE.draw(torch.arange(2)))


def test_a_fit_reads_back_with_its_budget() -> None:
    """The released code forgets its noise module (TFace, issue 154)."""
    defense, x = _fitted(), _pictures()[:2]
    loaded = DCTDP(SMALL).fit(_context(), defense.state_dict())
    draw = SOURCE.draw(torch.arange(2))
    assert float(defense.budget.rho.theta.abs().max()) > 0
    assert torch.equal(loaded.encode(x, draw), defense.encode(x, draw))  # type: ignore[attr-defined]


def test_as_released_the_noise_has_a_learnt_mean() -> None:
    """Budget 4, no sensitivity, and ``locs``: zero at first, learnt beside rho, the same for every picture."""
    defense = _fitted(sensitivity="one", epsilon_mean=4.0, shift="learned")
    shift = defense.shift()
    assert shift.shape == (189, 16, 16)
    assert float(shift.abs().max()) > 0, "the recognition loss moves it"
    x = _pictures()[:1].expand(200, -1, -1, -1)
    sent = torch.cat([defense.encode(x[:50], SOURCE.draw(torch.arange(50) + 50 * k)) for k in range(4)])
    left = (sent - coefficients(x[:1]) - shift).double()
    assert abs(float(left.mean())) < 1e-3
    assert abs(float(left.abs().mean()) - 0.25) < 5e-3, "E|Laplace(0, 1)| / 4"
    loaded = DCTDP(SMALL | {"sensitivity": "one", "epsilon_mean": 4.0, "shift": "learned"})
    assert torch.equal(loaded.fit(_context(), defense.state_dict()).shift(), shift)
    assert not hasattr(_fitted(), "shift")


@pytest.mark.parametrize("bad", [{"epsilon_mean": 0.0}, {"quantile": 0.5}, {"rho_lr": -1.0}])
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="rho_lr must be positive"):
        ToySystem("dctdp", bad)
    with pytest.raises(InputError, match="sensitivity"):
        DCTDP({"sensitivity": "no such"})
