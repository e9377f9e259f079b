"""IoM hashing against its definition, its collision probability and what is known about inverting it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.secrets import SecretSource
from faceleak.defenses.iom_hash import gaussian_vectors, permutations
from systems import ToySystem
from torch import Tensor

IDS = torch.arange(200)


def _pairs(angle: float, n: int = 200, dim: int = 32) -> tuple[Tensor, Tensor]:
    """Two unit vectors per row, ``angle`` apart."""
    a, b = torch.randn(2, n, dim, generator=torch.Generator().manual_seed(1))
    a = F.normalize(a, dim=1)
    b = F.normalize(b - (a * b).sum(1, keepdim=True) * a, dim=1)
    return a, math.cos(angle) * a + math.sin(angle) * b


def _shares(angle: float, **settings: object) -> Tensor:
    defense = ToySystem("iom-hash", settings).defense
    draw = SecretSource.installation(3).draw(IDS)
    return defense.compare(*(defense.enroll(side, draw) for side in _pairs(angle)))


@pytest.mark.parametrize("angle", [0.3, 1.0, math.pi / 2, 2.5])
def test_two_projections_collide_with_probability_one_minus_angle_over_pi(angle: float) -> None:
    assert abs(float(_shares(angle, size=2, codes=500).mean()) - (1 - angle / math.pi)) < 0.02


@pytest.mark.parametrize("angle", [0.3, 1.0, math.pi / 2])
def test_sixteen_projections_collide_as_correlated_normals_do(angle: float) -> None:
    rng = np.random.default_rng(0)
    x, other = rng.standard_normal((2, 60_000, 16))
    y = math.cos(angle) * x + math.sin(angle) * other
    expected = float((x.argmax(1) == y.argmax(1)).mean())
    assert abs(float(_shares(angle).mean()) - expected) < 0.01


@pytest.mark.parametrize("variant", ["grp", "urp"])
def test_nearer_vectors_share_more_codes(variant: str) -> None:
    means = [float(_shares(angle, variant=variant).mean()) for angle in (0.0, 0.2, 0.6, 1.0, 1.5)]
    assert means[0] == 1.0
    assert means == sorted(means, reverse=True)
    assert means[3] > means[4] + 0.05


def test_codes_are_those_of_the_definition() -> None:
    z = ToySystem("none").deployed_leak(IDS[:7] % 150)
    draw = SecretSource.installation(0).draw(IDS[:7])
    key = draw.deployment.child("iom-hash", "grp")
    vectors = gaussian_vectors(key.seed, key.labels, 32, 300 * 16).double()
    by_hand = [[int((vectors[:, 16 * i : 16 * i + 16].T @ v).argmax()) for i in range(300)] for v in z.double()]
    codes = ToySystem("iom-hash").defense.enroll(z, draw)
    assert codes.dtype is torch.uint8
    assert codes.tolist() == by_hand
    assert abs(float(vectors.mean())) < 0.02
    assert abs(float(vectors.std()) - 1) < 0.02

    key = draw.deployment.child("iom-hash", "urp")
    orders = permutations(key.seed, key.labels, 32, 300, 3)
    by_hand = [[int((v[o[0, :9]] * v[o[1, :9]] * v[o[2, :9]]).argmax()) for o in orders] for v in z]
    found = ToySystem("iom-hash", {"variant": "urp", "window": 9, "products": 3}).defense.enroll(z, draw)
    assert found.tolist() == by_hand


@pytest.mark.parametrize("variant", ["grp", "urp"])
def test_length_does_not_matter(variant: str) -> None:
    defense, draw = ToySystem("iom-hash", {"variant": variant}).defense, SecretSource.installation(0).draw(IDS)
    z = _pairs(1.0)[0]
    assert torch.equal(defense.enroll(z, draw), defense.enroll(4 * z, draw))


def test_the_key_opens_the_codes() -> None:
    """What the docstring warns of: with the key, the mean of the winning vectors points along z."""
    z, draw = _pairs(1.0)[0], SecretSource.installation(0).draw(IDS)
    codes = ToySystem("iom-hash").defense.enroll(z, draw).long()
    own, wrong = (
        gaussian_vectors(key.seed, key.labels, 32, 4800).T.unflatten(0, (300, 16))
        for key in (s.draw(IDS).deployment.child("iom-hash", "grp") for s in map(SecretSource.installation, (0, 1)))
    )
    guess, blind = (w[torch.arange(300), codes].mean(1) for w in (own, wrong))
    assert float(F.cosine_similarity(guess, z).min()) > 0.9
    assert abs(float(F.cosine_similarity(blind, z).mean())) < 0.1


def test_large_alphabets_need_two_bytes() -> None:
    defense, draw = ToySystem("iom-hash", {"size": 300, "codes": 40}).defense, SecretSource.installation(0).draw(IDS)
    codes = defense.enroll(_pairs(1.0)[0], draw)
    assert codes.dtype is torch.int16
    assert int(codes.max()) > 255


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codes": 0}, "codes and products must be at least 1"),
        ({"size": 1}, r"size must lie in 2\.\.32768, got 1"),
        ({"variant": "urp", "window": 33}, r"window must lie in 2\.\.32, got 33"),
        ({"variant": "urp", "products": 0}, "codes and products must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ToySystem("iom-hash", settings)
