"""The search by the adversary's own recogniser."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError, NotApplicable
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.threat import DefenseKnowledge
from systems import ToySystem, small

VICTIMS = torch.arange(0, 90, 6)


def search(**settings: float) -> tuple[float, float]:
    """Mean cosine of the pictures with the estimate in the surrogate's space, and with the person in the target's."""
    system = ToySystem("none")
    attack = ATTACKS.get("surrogate-inversion")(small("surrogate-inversion") | settings)
    context = system.with_surrogate(system.context(attack.threat.with_defense(DefenseKnowledge.K0)))
    attack.fit(context)
    leak = system.deployed_leak(VICTIMS, split="victims")
    y = attack.recover(leak, VICTIMS, context).images
    with torch.no_grad():
        wanted = attack._embed(leak, context)
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


def test_it_needs_a_surrogate_with_gradients() -> None:
    context = ToySystem("none").context(ATTACKS.get("surrogate-inversion").threat)
    with pytest.raises(NotApplicable, match="name a surrogate"):
        ATTACKS.get("surrogate-inversion")().fit(context)


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"steps": -1}, {"lr": 0.0}, {"components": 0}, {"noise": -0.1}, {"mirror": 2.0}):
        with pytest.raises(InputError):
            search(**wrong)
