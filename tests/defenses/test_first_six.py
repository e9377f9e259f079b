"""The first defences against known answers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.surfaces import Surface
from faceleak.defenses.noise import gaussian_epsilon
from scipy.stats import norm
from systems import ToySystem

SOME = torch.arange(100)


def test_gaussian_epsilon_solves_balle_and_wang() -> None:
    for sigma, delta in ((1.0, 1e-5), (3.0, 1e-6), (0.1, 1e-5)):
        epsilon = gaussian_epsilon(sigma, 2.0, delta)
        a, b = 1 / sigma, epsilon * sigma / 2
        assert math.isclose(norm.cdf(a - b) - math.exp(epsilon) * norm.cdf(-a - b), delta, rel_tol=1e-3)
    # The classical bound sigma = s sqrt(2 ln(1.25/delta)) / epsilon holds for epsilon <= 1 and is never tighter.
    assert gaussian_epsilon(2 * math.sqrt(2 * math.log(1.25 / 1e-5)), 2.0, 1e-5) <= 1.0
    assert gaussian_epsilon(1e6, 2.0, 0.5) == 0.0


@pytest.mark.parametrize("name", ["gaussian-noise", "laplace-noise"])
def test_noise_has_the_stated_size_and_reports_epsilon(name: str) -> None:
    system = ToySystem(name, {"relative_noise": 0.5})
    plain = ToySystem("none").deployed_leak(SOME)
    cosine = F.cosine_similarity(system.deployed_leak(SOME), plain)
    assert abs(float(cosine.mean()) - 1 / math.sqrt(1.25)) < 0.02  # |z + n| ~ sqrt(1 + 0.25)
    weaker = ToySystem(name, {"relative_noise": 0.25}).defense.properties()["epsilon"]
    assert weaker > system.defense.properties()["epsilon"] > 0


def test_laplace_epsilon_is_sensitivity_over_scale() -> None:
    found = ToySystem("laplace-noise", {"relative_noise": 1.0}).defense.properties()["epsilon"]
    assert math.isclose(found, 2 * math.sqrt(32) * math.sqrt(2 * 32))


def test_biohash_keeps_angles_as_hamming_distances() -> None:
    """For random directions P(bits differ) = angle / pi."""
    system = ToySystem("biohash")
    z = ToySystem("none").deployed_leak(SOME)
    angle = torch.arccos(F.cosine_similarity(z, z.roll(1, 0)).clamp(-1, 1)) / math.pi
    bits = [ToySystem("biohash", key=k).deployed_leak(SOME) for k in range(20)]
    distance = torch.stack([(b != b.roll(1, 0)).float().mean(1) for b in bits]).mean(0)
    assert float((distance - angle).abs().mean()) < 0.03
    assert system.deployed_leak(SOME).dtype is torch.bool


@pytest.mark.parametrize(("ratio", "hidden"), [(0.0, 0), (0.25, 16), (0.5, 32)])
def test_random_mask_hides_exactly_its_share(ratio: float, hidden: int) -> None:
    system = ToySystem("random-mask", {"ratio": ratio, "grid": 8})
    wire = system.deployed_leak(SOME, Surface.WIRE)
    grey = (F.max_pool2d((wire - 0.5).abs(), 4).amax(1) == 0).flatten(1).sum(1)
    assert torch.equal(grey, torch.full((100,), hidden))


def test_pixelate_is_the_block_mean() -> None:
    wire = ToySystem("pixelate", {"blocks": 4}).deployed_leak(SOME, Surface.WIRE)
    plain = ToySystem("none").deployed_leak(SOME, Surface.WIRE)
    assert torch.allclose(wire[:, :, 3, 9], plain[:, :, 0:8, 8:16].mean((2, 3)), atol=1e-6)
    assert len(torch.unique(wire[0, 0])) <= 16


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("biohash", {"bits": 1000}, "bits must lie in"),
        ("gaussian-noise", {"relative_noise": 0.0}, "relative_noise must be positive"),
        ("random-mask", {"ratio": 1.0}, "ratio must be in"),
        ("pixelate", {"blocks": 0}, "blocks must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(name: str, settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ToySystem(name, settings)
    with pytest.raises(InputError, match="has no setting"):
        DEFENSES.get(name)({"no_such": 1})
