"""Floors against known answers."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from faceleak.bench.core.linear import PENALTIES
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.threat import RecognizerAccess, ThreatModel
from sklearn.linear_model import Ridge
from systems import ToySystem, fitted

ALL = torch.arange(150)
BLACK_BOX = ThreatModel(RecognizerAccess.BLACK_BOX)


def test_mean_face_is_the_mean_of_the_public_faces() -> None:
    system = ToySystem("none")
    attack, context = fitted("mean-face", system, ThreatModel(), Surface.TEMPLATE)
    found = attack.recover(torch.zeros(2, 32), torch.arange(2), context).images
    assert torch.allclose(found[0], system.public.images(ALL).mean(0), atol=0.003)  # 8-bit copy of the public faces
    assert torch.equal(found[0], found[1])


def test_nearest_public_face_finds_the_image_itself() -> None:
    system = ToySystem("none")
    attack, context = fitted("nearest-public-face", system, BLACK_BOX, Surface.TEMPLATE)
    found = attack.recover(system.deployed_leak(ALL), ALL, context).images
    assert torch.equal(found, system.public.images(ALL))


def test_random_public_faces_depend_on_the_victim_only() -> None:
    system = ToySystem("none")
    attack, context = fitted("random-public-face", system, ThreatModel(), Surface.TEMPLATE)
    first = attack.recover(torch.zeros(20, 32), torch.arange(20), context).images
    second = attack.recover(torch.ones(20, 32), torch.arange(20), context).images
    assert torch.equal(first, second)
    assert len(torch.unique(first.flatten(1), dim=0)) > 12


def test_linear_ridge_agrees_with_sklearn() -> None:
    """The decoder is ridge regression of all pixels on the standardised leak."""
    system = ToySystem("none")
    context = system.context(BLACK_BOX)
    attack = ATTACKS.get("linear-ridge")({"penalty": 0.02}).fit(context)
    leak = system.deployed_leak(torch.arange(90), split="victims")
    found = attack.recover(leak, torch.arange(90), context).images.flatten(1).numpy()

    z, x = system.deployed_leak(ALL).numpy(), system.public.images(ALL).flatten(1).numpy()
    mean, scale = z.mean(0), z.std(0)
    reference = Ridge(alpha=0.02 * len(z), fit_intercept=False).fit((z - mean) / scale, x - x.mean(0))
    expected = reference.predict((leak.numpy() - mean) / scale) + x.mean(0)
    # Only the 8-bit copy of the public faces stands between the two.
    assert np.abs(found - expected.clip(0, 1)).max() < 0.01


def test_linear_ridge_chooses_its_penalty_on_people_it_was_not_learnt_from() -> None:
    system = ToySystem("none")
    images = F.adaptive_avg_pool2d(system.public.images(ALL), 16)
    x, people = images.flatten(1).numpy(), system.public.labels.numpy() % 5
    z = system.deployed_leak(ALL).numpy()
    z = (z - z.mean(0)) / z.std(0)

    def error(penalty: float) -> float:
        total = 0.0
        for fold in range(5):
            learn = people != fold
            fit = Ridge(alpha=penalty * learn.sum()).fit(z[learn], x[learn])
            total += float(np.square(fit.predict(z[~learn]) - x[~learn]).sum())
        return total

    leak = system.deployed_leak(torch.arange(20), split="victims")
    found = []
    errors = {penalty: error(penalty) for penalty in PENALTIES}
    for penalty in (0.0, min(penalty for penalty in PENALTIES if errors[penalty] <= 1.01 * min(errors.values()))):
        attack = ATTACKS.get("linear-ridge")({"penalty": penalty}).fit(system.context(BLACK_BOX))
        found.append(attack.recover(leak, torch.arange(20), system.context(BLACK_BOX)).images)
    assert torch.equal(*found)
