"""What all wire defences share: a server that learns from wires made once, and what refuses to."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.iresnet import IResNet
from faceleak.bench.core.nets.mobilefacenet import MobileFaceNet
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.defenses.wire import WireDefense
from systems import CPU, ToySystem, faces, recognizer, small_defense

SOME = torch.arange(12)


@pytest.mark.parametrize("name", ["partialface", "duetface"])
def test_a_server_that_learns_from_a_pool_recognises(name: str) -> None:
    """Also where what travels is several maps."""
    system = ToySystem(name, {"pool": 2, "server_steps": 40})
    images, ids = system.victims.images(SOME), system.victims.ids[SOME]
    leak = system.defense.leak(images, Surface.WIRE, system.installation.draw(ids, 5))
    z = system.defense.embed(leak)
    truth = system.recognizer.embed(images)
    likeness = z @ truth.T
    assert float(likeness.diagonal().mean() - likeness.mean()) > 0.1


SERVED = ["partialface", "dctdp", "fracface", "ldp-slicing", "ppfr-fd-style", "minusface", "duetface"]
TINY = {"side": 16, "server_steps": 1, "server_batch": 4, "steps": 1, "client_steps": 1, "gate_steps": 1}


@pytest.mark.parametrize("name", SERVED)
def test_any_wire_defence_takes_a_published_server_and_recipe(name: str) -> None:
    """One step each; the published network is there, whatever stands before it, and the board says which."""
    known = {field: value for field, value in TINY.items() if field in small_defense(name)}
    settings = known | {"server": "ir18", "recipe": "tface", "recognizer_init": "scratch", "server_lr": 0.1}
    system = ToySystem(name, settings)
    (net,) = (part for part in system.defense.modules() if isinstance(part, IResNet))
    assert sum(len(stage) for stage in net.body) == 8  # type: ignore[arg-type]
    assert system.defense.properties()["server"] == "ir18"
    leak = system.deployed_leak(SOME[:2], Surface.WIRE)
    assert system.defense.embed(leak).shape == (2, 32)


def test_every_wire_defence_was_tried() -> None:
    assert sorted(SERVED) == [name for name in DEFENSES.names() if issubclass(DEFENSES.get(name), WireDefense)]


def test_a_published_server_can_be_taught_and_is_not_a_copy() -> None:
    system = ToySystem("partialface", {"server": "mobilefacenet", "server_steps": 1, "side": 16})
    assert isinstance(system.defense.server, MobileFaceNet)
    with pytest.raises(InputError, match="would not be used"):
        ToySystem("partialface", {"server": "ir18", "recognizer_init": "clean_finetune"})


def test_a_warm_server_begins_as_the_recogniser() -> None:
    """All but the first convolution, also where sigmoids stand between; another kind of network is refused."""
    plain = recognizer("toy-split").net.state_dict()
    for name, at in (("partialface", "server."), ("duetface", "server.trunk."), ("minusface", "server.")):
        defense = DEFENSES.get(name)(small_defense(name) | {"recognizer_init": "warm"})
        defense._build(FitContext(recognizer("toy-split"), faces()["public"], Rng(0), CPU, Progress()))
        own = {k.removeprefix(at): v for k, v in defense.state_dict().items() if k.startswith(at)}
        other = [k for k, v in plain.items() if own[k].shape != v.shape or not torch.equal(own[k], v)]
        assert other == ([] if name == "minusface" else ["stem.0.0.weight"]), "X_p has a picture's three channels"
        assert defense.properties()["recognizer_init"] == "warm"
    with pytest.raises(InputError, match="needs a recogniser of the server's own kind"):
        ToySystem("partialface", {"recognizer_init": "warm"})


def test_the_published_recipe_moves_a_noise_budget_by_adam() -> None:
    """SGD would leave it where it is: its gradient is that of one of thousands of elements."""
    system = ToySystem("dctdp", {"recipe": "tface", "server_steps": 3, "side": 16, "server_lr": 0.02, "rho_lr": 0.1})
    budget = system.defense.budget.rho  # type: ignore[union-attr]
    moved = (budget.theta * budget.times).abs()
    assert 0.05 < float(moved.median()) < 0.5, "Adam's steps at rates of 0.1, 0.1 and 0.01"


def test_a_client_that_learns_with_its_server_cannot_be_pooled() -> None:
    with pytest.raises(InputError, match="cannot be pooled"):
        ToySystem("dctdp", {"pool": 1})


@pytest.mark.parametrize("name", SERVED)
def test_the_closed_form_front_is_refused_where_it_cannot_be(name: str) -> None:
    """Where what travels is not linear in the picture, or the server is no copy of the recogniser."""
    if not DEFENSES.get(name).invertible:
        with pytest.raises(InputError, match="no inverse in closed form"):
            ToySystem(name, {"front": "inverse"})
        return
    gate = {"interaction": "gate"} if name == "duetface" else {}
    for settings in ({"server": "ir18"}, {"recognizer_init": "scratch"}):
        with pytest.raises(InputError, match="is a copy of the recogniser"):
            ToySystem(name, {"front": "inverse", **gate, **settings})


@pytest.mark.parametrize("name", ["fracface", "duetface"])
def test_a_server_with_the_inverse_recognises_at_once(name: str) -> None:
    """After one step; what travels is what it was; a copy that is read back says the same."""
    settings = {"front": "inverse", "server_steps": 1, "server_lr": 1e-6}
    settings |= {"interaction": "gate", "client_steps": 1} if name == "duetface" else {}
    system = ToySystem(name, settings, "toy-split")
    images, ids = system.victims.images(SOME), system.victims.ids[SOME]
    leak = system.defense.leak(images, Surface.WIRE, system.installation.draw(ids))
    likeness = system.defense.embed(leak) @ system.recognizer.embed(images).T
    assert float(likeness.diagonal().mean() - likeness.mean()) > 0.1
    again = DEFENSES.get(name)(small_defense(name) | settings)
    context = FitContext(system.recognizer, faces()["public"], Rng(0, "defense"), CPU, Progress())
    again.fit(context, system.defense.state_dict())
    assert torch.allclose(again.embed(leak), system.defense.embed(leak), atol=1e-5)
