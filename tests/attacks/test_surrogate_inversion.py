"""The search by the adversary's own recogniser."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError, NotApplicable
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.threat import DefenseKnowledge
from faceleak.bench.metrics.quality import ssim
from systems import ToySystem, small
from torch import Tensor

VICTIMS = torch.arange(0, 90, 6)
PUBLIC = torch.arange(0, 60, 4)


def drawn(name: str = "surrogate-inversion", **settings: float | str) -> tuple[ToySystem, Any, Any, Tensor]:
    """(system, attack, context, (15, 3, s, s) pictures of the victims)."""
    system = ToySystem("none")
    attack = ATTACKS.get(name)(small(name) | settings)
    context = system.with_surrogate(system.context(attack.threat.with_defense(DefenseKnowledge.K0)))
    attack.fit(context)
    return system, attack, context, attack.recover(leak_of(system), VICTIMS, context).images


def leak_of(system: ToySystem) -> Tensor:
    return system.deployed_leak(VICTIMS, split="victims")


def search(**settings: float | str) -> tuple[float, float]:
    """Mean cosine of the pictures with the estimate in the surrogate's space, and with the person in the target's."""
    system, attack, context, y = drawn(**settings)
    with torch.no_grad():
        wanted = attack._embed(leak_of(system), context)
    truth = system.recognizer.embed(system.victims.images(VICTIMS))
    near = F.cosine_similarity(context.surrogate.embed(y), wanted, dim=1)
    return float(near.mean()), float((system.recognizer.embed(y) * truth).sum(1).mean())


def test_more_steps_come_closer() -> None:
    still = {"shift": 0.0, "mirror": 0.0, "scale": 0.0}  # toy recognisers know nothing of these
    (near_0, _), (near_30, transferred) = search(steps=0, **still), search(steps=30, **still)
    assert near_30 > near_0 + 0.01
    assert transferred > 0.3, "the attacked recogniser, whose gradients it never had, agrees"
    assert search(steps=0, pixel_steps=10, **still)[0] > near_0


def test_a_network_does_in_one_pass_what_the_search_does() -> None:
    still = {"shift": 0.0, "mirror": 0.0, "scale": 0.0, "steps": 0}
    (near_0, _), (near_1, transferred) = search(**still), search(network_steps=60, network_width=64, **still)
    assert near_1 > near_0 + 0.01
    assert transferred > 0.3
    searched, _ = search(network_steps=60, network_width=64, **(still | {"steps": 20}))
    assert searched > near_1, "the search goes on from there"


def test_it_is_never_further_than_its_start() -> None:
    assert search(steps=30)[0] >= search(steps=0)[0], "mirror images mislead where a recogniser tells them apart"


def test_structure_draws_towards_the_public_pictures() -> None:
    """More like the public pictures that it learns from, less like what the surrogate alone asks for."""
    still = {"shift": 0.0, "mirror": 0.0, "scale": 0.0, "steps": 0, "network_steps": 100, "network_width": 64}
    alike, near = [], []
    for weight in (0.0, 30.0):
        system, attack, context, _ = drawn(weight_structure=weight, **still)
        y = attack.recover(system.deployed_leak(PUBLIC, split="public"), PUBLIC, context).images
        alike.append(float(ssim(y, system.public.resized(PUBLIC, y.shape[-1])).mean()))
        near.append(search(weight_structure=weight, **still)[0])
    assert alike[1] > alike[0] + 0.005
    assert near[1] < near[0] - 0.01


def test_it_may_begin_where_ridge_regression_of_the_leak_ends() -> None:
    """With as many components as the public faces have, the two pictures are the same."""
    *_, begun = drawn(begin="leak", steps=0, components=10_000)
    *_, ridge = drawn("linear-ridge")
    torch.testing.assert_close(begun, ridge, atol=0.02, rtol=0)
    *_, estimated = drawn(begin="surrogate", steps=0, components=10_000)
    assert float((begun - ridge).abs().mean()) < 0.2 * float((estimated - ridge).abs().mean())


def test_it_needs_a_surrogate_with_gradients() -> None:
    context = ToySystem("none").context(ATTACKS.get("surrogate-inversion").threat)
    with pytest.raises(NotApplicable, match="name a surrogate"):
        ATTACKS.get("surrogate-inversion")().fit(context)


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"steps": -1}, {"lr": 0.0}, {"components": 0}, {"noise": -0.1}, {"mirror": 2.0}):
        with pytest.raises(InputError):
            search(**wrong)
