"""One step of each wire defence of `paper` at 112 pixels with its IR-50: `make test-slow`."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.plan.track import DefenseSpec, load_track
from faceleak.defenses.wire import WireDefense
from systems import ToySystem, fit_defense, recognizer

ONE = {
    "server_steps": 1, "steps": 1, "client_steps": 1, "gate_steps": 1, "server_batch": 4, "batch": 2,
    "sensitivity_pictures": 8,
}  # fmt: skip


def entries() -> list[DefenseSpec]:
    return [
        spec for spec in load_track("paper").defenses
        if isinstance(spec.name, str) and issubclass(DEFENSES.get(spec.name), WireDefense)
    ]  # fmt: skip


def test_as_released_is_what_was_released() -> None:
    found = {spec.title: spec.settings for spec in entries()}
    assert found["dctdp as released"].items() >= {"epsilon_mean": 4.0, "sensitivity": "one", "shift": "learned"}.items()
    released = {"candidates": "released", "orders": 3, "groups_shown": 3}
    assert found["partialface as released"].items() >= released.items()
    assert {settings["server"] for settings in found.values()} == {"ir50"}


@pytest.mark.slow
@pytest.mark.parametrize("spec", entries(), ids=lambda spec: spec.title)
def test_one_step_with_the_papers_networks(spec: DefenseSpec) -> None:
    known = DEFENSES.get(spec.name).Settings.__dataclass_fields__
    settings = {**spec.settings, **{key: value for key, value in ONE.items() if key in known}}
    defense = fit_defense(DEFENSES.get(spec.name)(settings), recognizer("toy-a"))
    system = ToySystem("none")
    images, draw = system.public.images(torch.arange(2)), system.installation.draw(system.public.ids[:2])
    assert defense.embed(defense.leak(images, Surface.WIRE, draw)).shape == (2, 32)
