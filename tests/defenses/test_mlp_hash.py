"""MLP-Hash against its definition, and the angles that random ReLU layers are known to leave."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.secrets import SecretSource
from faceleak.defenses.mlp_hash import random_layers
from systems import ToySystem

IDS = torch.arange(100)


def test_bits_are_those_of_the_definition() -> None:
    z = ToySystem("none").deployed_leak(IDS)
    draw = SecretSource.installation(0).draw(IDS)
    key = draw.deployment.child("mlp-hash")
    x = z.double().numpy()
    *hidden, last = (w.double().numpy() for w in random_layers(key.seed, key.labels, (32, 64, 64, 64, 32)))
    for weight in hidden:
        x = np.maximum(x @ weight.T, 0)
    x = x @ last.T
    bits = ToySystem("mlp-hash").defense.enroll(z, draw)
    assert bits.dtype is torch.bool
    assert np.array_equal(bits.numpy(), x > x.mean(1, keepdims=True))


def test_matrices_are_orthonormal_on_their_short_side() -> None:
    widening, square, narrowing = random_layers(0, ("k",), (12, 20, 20, 8))
    assert [tuple(w.shape) for w in (widening, square, narrowing)] == [(20, 12), (20, 20), (8, 20)]
    for product in (widening.T @ widening, square @ square.T, narrowing @ narrowing.T):
        assert torch.allclose(product, torch.eye(len(product)), atol=1e-5)
    # Uniformly distributed: entries have mean 0 and variance 1 / larger side. Without the signs the diagonal is biased.
    many = torch.stack([random_layers(seed, ("k",), (6, 6))[0] for seed in range(400)])
    assert float(many.mean(0).abs().max()) < 4 * math.sqrt(1 / 6 / 400)


def test_half_of_the_bits_are_set() -> None:
    bits = ToySystem("mlp-hash", {"bits": 400}).deployed_leak(IDS).float()
    assert abs(float(bits.mean()) - 0.5) < 0.02
    assert float((bits.mean(1) - 0.5).abs().max()) < 0.12


@pytest.mark.parametrize("hidden", [0, 1, 3])
def test_agreement_is_that_of_the_arc_cosine_kernel(hidden: int) -> None:
    """Cho and Saul 2009: a wide random ReLU layer sends cos w to (sin w + (pi - w) cos w) / pi."""
    a, b = torch.randn(2, 400, 32, generator=torch.Generator().manual_seed(0)).unbind(0)
    ids = torch.arange(400)
    a, b = F.normalize(a, dim=1), F.normalize(a + b, dim=1)
    angle = F.cosine_similarity(a, b).clamp(-1, 1).arccos()
    for _ in range(hidden):
        angle = ((angle.sin() + (math.pi - angle) * angle.cos()) / math.pi).clamp(-1, 1).arccos()
    defense = ToySystem("mlp-hash", {"units": 512, "bits": 512, "hidden": hidden}).defense
    draw = SecretSource.installation(0).draw(ids)
    found = defense.compare(defense.enroll(a, draw), defense.enroll(b, draw))
    assert abs(float((found - (1 - angle / math.pi)).mean())) < 0.02


def test_the_length_of_the_embedding_does_not_matter() -> None:
    defense, draw = ToySystem("mlp-hash").defense, SecretSource.installation(0).draw(IDS)
    z = ToySystem("none").deployed_leak(IDS)
    assert torch.equal(defense.enroll(z, draw), defense.enroll(8 * z, draw))


@pytest.mark.parametrize("settings", [{"bits": 1}, {"hidden": -1}, {"units": -5}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(InputError, match="must not be negative"):
        ToySystem("mlp-hash", settings)
