"""Conditional diffusion as an attack: what its settings do, what it asks and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from faceleak.attacks.base import Attack
from faceleak.bench.core.context import AttackContext
from faceleak.bench.core.errors import InputError, NotApplicable
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.surfaces import Surface
from systems import ToySystem, small

NAME = "diffusion-inversion"
VICTIMS, IDS = torch.arange(0, 90, 18), torch.arange(5)


def fitted(system: ToySystem, settings: dict[str, Any]) -> tuple[Attack, AttackContext]:
    """Trained for two steps: enough where it does not matter what is drawn."""
    context = system.context(ATTACKS.get(NAME).threat)
    return ATTACKS.get(NAME)(small(NAME) | {"steps": 2} | settings).fit(context), context


def leaks(system: ToySystem) -> torch.Tensor:
    return system.deployed_leak(VICTIMS, Surface.TEMPLATE, "victims")  # type: ignore[return-value]


def test_without_guidance_the_template_does_not_matter() -> None:
    system = ToySystem("none")
    leak = leaks(system)
    for guidance, same in ((0.0, True), (1.0, False), (2.0, False)):
        attack, context = fitted(system, {"guidance": guidance, "steps": 10})
        drawn, other = (attack.recover(z, IDS, context).images for z in (leak, leak.roll(1, 0)))
        assert torch.allclose(drawn, other, atol=1e-5) is same
        assert not torch.allclose(drawn[0], drawn[1], atol=1e-2), "every victim has noise of its own"


def test_of_several_pictures_one_is_handed_in() -> None:
    system = ToySystem("none")
    leak = leaks(system)
    handed = {}
    for choice, asked in (("typical", 0), ("leak", 3)):
        attack, context = fitted(system, {"samples": 3, "choice": choice})
        context.target.enrol(leak)
        context.target.forget_counts()
        handed[choice] = attack.recover(leak, IDS, context).images
        assert context.target.queries_per_victim == asked
    attack.settings = type(attack.settings)(**small(NAME) | {"samples": 1})
    first = attack.recover(leak, IDS, context).images
    assert any(torch.equal(a, b) for a, b in zip(first, handed["leak"], strict=True)), "the first is among the three"
    found = {name: attack.inputs(system.recognizer.embed(images)) for name, images in handed.items()}
    likeness = {name: torch.cosine_similarity(z, attack.inputs(leak)) for name, z in found.items()}
    assert bool((likeness["leak"] >= likeness["typical"] - 1e-6).all())
    assert bool((likeness["leak"] > likeness["typical"] + 1e-6).any())


def test_of_three_pictures_the_typical_one_is_nearest_to_their_mean() -> None:
    attack, context = fitted(ToySystem("none"), {})
    greys = torch.tensor([[0.0, 0.4, 0.9], [1.0, 0.1, 0.2]])[:, :, None, None, None].expand(2, 3, 3, 8, 8)
    assert attack._choose(greys, torch.zeros(2, 32), torch.arange(2), context).tolist() == [1, 2]  # type: ignore[operator]


def test_maps_are_refused() -> None:
    system = ToySystem("none")
    with pytest.raises(NotApplicable, match="reads template"):
        ATTACKS.get(NAME)(small(NAME)).fit(system.context(ATTACKS.get(NAME).threat, Surface.WIRE))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dropped": 0.0}, "guidance = 1"),
        ({"dropped": 1.0}, "dropped must lie"),
        ({"samples": 0}, "samples"),
        ({"guidance": -1.0}, "guidance"),
        ({"emphasis": 0.5}, "emphasis"),
        ({"side": 18}, "got side 18"),
        ({"levels_visited": 0}, "noise levels, got 0"),
        ({"predict": "image"}, "predict"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fitted(ToySystem("none"), settings)
