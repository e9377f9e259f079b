"""Floors against known answers."""

from __future__ import annotations

import torch
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.threat import ThreatModel
from systems import ToySystem, fitted

ALL = torch.arange(150)


def test_mean_face_is_the_mean_of_the_public_faces() -> None:
    system = ToySystem("none")
    attack, context = fitted("mean-face", system, ThreatModel(), Surface.TEMPLATE)
    found = attack.recover(torch.zeros(2, 32), torch.arange(2), context).images
    assert torch.allclose(found[0], system.public.images(ALL).mean(0), atol=0.003)  # 8-bit copy of the public faces
    assert torch.equal(found[0], found[1])


def test_nearest_public_face_finds_the_image_itself() -> None:
    system = ToySystem("none")
    attack, context = fitted("nearest-public-face", system, ThreatModel(), Surface.TEMPLATE)
    found = attack.recover(system.deployed_leak(ALL), ALL, context).images
    assert torch.equal(found, system.public.images(ALL))


def test_random_public_faces_depend_on_the_victim_only() -> None:
    system = ToySystem("none")
    attack, context = fitted("random-public-face", system, ThreatModel(), Surface.TEMPLATE)
    first = attack.recover(torch.zeros(20, 32), torch.arange(20), context).images
    second = attack.recover(torch.ones(20, 32), torch.arange(20), context).images
    assert torch.equal(first, second)
    assert len(torch.unique(first.flatten(1), dim=0)) > 12


def test_linear_ridge_inverts_a_linear_recogniser() -> None:
    """Pictures in the span of few components and a linear leak of enough coordinates: ridge is near exact."""
    system = ToySystem("none")
    attack, context = fitted("linear-ridge", system, ThreatModel(), Surface.TEMPLATE)
    leak = system.deployed_leak(torch.arange(90), split="victims")
    found = attack.recover(leak, torch.arange(90), context).images
    truth = system.victims.images(torch.arange(90))
    mean = system.public.images(ALL).mean(0)
    assert (found - truth).square().mean() < 0.7 * (mean - truth).square().mean()
