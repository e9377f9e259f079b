"""What every registered defence must do."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from faceleak.bench.core.errors import InputError, NotApplicable
from faceleak.bench.core.leaks import flatten_leak, leak_length, leak_take
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.surfaces import Fidelity, Goal, Secret, Surface
from faceleak.defenses.base import Defense, overrides
from faceleak.defenses.composition import compose
from faceleak.defenses.wire import WireDefense
from faceleak.defenses.wire_settings import Init
from systems import ToySystem, small_defense

NAMES = DEFENSES.names()
SOME = torch.arange(12)


def _equal(a, b) -> bool:  # type: ignore[no-untyped-def]
    if isinstance(a, dict):
        return all(torch.equal(a[k], b[k]) for k in a)
    return torch.equal(a, b)


def surfaces_of(name: str) -> list[Surface]:
    """All; of a defence that searches anew for every picture only what is published, all else follows from it."""
    return [Surface.IMAGE] if DEFENSES.get(name).slow else list(Surface)


@pytest.mark.parametrize(("name", "surface"), [(name, surface) for name in NAMES for surface in surfaces_of(name)])
def test_a_leak_is_a_function_of_image_and_secret(name: str, surface: Surface) -> None:
    system = ToySystem(name)
    whole = system.deployed_leak(SOME, surface)
    assert leak_length(whole) == len(SOME)
    assert _equal(whole, system.deployed_leak(SOME, surface)), "same secret, same leak"
    for part in (slice(0, 1), slice(5, 12)):
        alone = flatten_leak(system.deployed_leak(SOME[part], surface))
        slack = 1e-6 * max(1.0, float(alone.abs().max()))  # rounding grows with the scale of what leaks
        assert torch.allclose(flatten_leak(leak_take(whole, part)), alone, atol=slack), "batch mates must not matter"


@pytest.mark.parametrize("name", NAMES)
def test_randomised_means_that_fresh_secrets_change_the_leak(name: str) -> None:
    system = ToySystem(name)
    images, ids = system.public.images(SOME), system.public.ids[SOME]
    for surface in surfaces_of(name):
        first, second = (system.defense.leak(images, surface, system.installation.draw(ids, p)) for p in (0, 1))
        assert _equal(first, second) != system.defense.randomised(surface), (name, surface)


@pytest.mark.parametrize("name", [n for n in NAMES if Secret.DEPLOYMENT in DEFENSES.get(n).secrets])
def test_another_key_is_another_template(name: str) -> None:
    a, b = ToySystem(name, key=0), ToySystem(name, key=1)
    assert not _equal(a.deployed_leak(SOME), b.deployed_leak(SOME))


MEANT_TO_FAIL = (Goal.CLOAK, Goal.ANONYMIZE, Goal.LOCK)  # recognition of what they publish


@pytest.mark.parametrize("name", [n for n in NAMES if DEFENSES.get(n).goal not in MEANT_TO_FAIL])
def test_it_still_verifies_people(name: str) -> None:
    """Genuine pairs score above impostor pairs, with secrets drawn for each side."""
    system = ToySystem(name)
    images, ids = system.victims.images(torch.arange(90)), system.victims.ids
    draws = [system.installation.draw(ids, p) for p in (5, 6)]
    genuine = system.defense.score(images, images[torch.arange(90) ^ 1], (draws[0], draws[1]))
    impostor = system.defense.score(images, images.roll(12, 0), (draws[0], draws[1]))
    # A server that was trained for seconds on toys must beat chance; how well it does on faces, the boards say.
    least = 0.6 if getattr(system.defense, "log", None) is not None else 0.8
    assert float((genuine[:, None] > impostor[None]).float().mean()) > least


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_one_clear_sentence(name: str) -> None:
    system = ToySystem(name)
    images = system.public.images(SOME)
    draw = system.installation.draw(system.public.ids[SOME])
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        system.defense.leak(images * 2 - 1, Surface.TEMPLATE, draw)
    with pytest.raises(InputError, match=r"3 secrets were given for 12 images"):
        system.defense.leak(images, Surface.TEMPLATE, draw.take(slice(0, 3)))
    with pytest.raises(InputError, match="was not fitted"):
        DEFENSES.get(name)().leak(images, Surface.WIRE, draw)


@pytest.mark.parametrize("name", NAMES)
def test_declarations(name: str) -> None:
    cls = DEFENSES.get(name)
    assert isinstance(cls.protects, Surface)
    assert isinstance(cls.goal, Goal)
    assert (cls.__doc__ or "").strip()
    if name != "none":
        assert cls.claims, "what it promises stands on the board"
        stage = {Surface.IMAGE: "publish", Surface.WIRE: "transmit", Surface.TEMPLATE: "enroll"}[cls.protects]
        assert overrides(cls(), stage), "it acts at the surface that it claims"
    if cls.fidelity is not Fidelity.BASELINE:
        assert cls.paper


@pytest.mark.parametrize("name", NAMES)
def test_keys(name: str) -> None:
    """What is published and its key give the original back better than the key of somebody else does."""
    system = ToySystem(name)
    images, draw = system.victims.images(SOME), system.installation.draw(system.victims.ids[SOME])
    if not system.defense.reversible:
        with pytest.raises(NotApplicable, match="not reversible"):
            system.defense.recover(images, images)
        with pytest.raises(NotApplicable, match="no key"):
            system.defense.make_key(images, draw)
        return
    published, key = system.defense.publish(images, draw), system.defense.make_key(images, draw)
    assert leak_length(key) == len(images)
    assert _equal(key, system.defense.make_key(images, draw)), "the same secret, the same key"
    right = system.defense.recover(published, key)
    wrong = system.defense.recover(published, leak_take(key, SOME.roll(1)))
    assert right.shape == images.shape
    assert float(right.min()) >= 0
    assert float(right.max()) <= 1
    assert float((right - images).square().mean()) < float((wrong - images).square().mean())


@pytest.mark.parametrize("name", NAMES)
def test_decoys_are_people_of_the_train_split(name: str) -> None:
    system = ToySystem(name)
    decoys = system.defense.decoys()
    if decoys is not None:
        assert system.defense.goal is Goal.CLOAK
        assert len(decoys.unique()) == len(decoys) > 0
        assert int(decoys.min()) >= 0
        assert int(decoys.max()) < system.public.n_identities


@pytest.mark.parametrize("name", NAMES)
def test_facts_for_the_board(name: str) -> None:
    defense = ToySystem(name).defense
    facts = defense.properties()
    assert all(isinstance(value, float | int | str) for value in facts.values())
    if isinstance(defense, WireDefense):
        assert facts["recognizer_init"] in get_args(Init), "how its server began"


def test_untouched_surfaces_leak_as_if_there_were_no_defence() -> None:
    """A template defence sends plain pictures; the board must show that."""
    plain, hashed = ToySystem("none"), ToySystem("biohash")
    assert torch.equal(plain.deployed_leak(SOME, Surface.WIRE), hashed.deployed_leak(SOME, Surface.WIRE))


def test_composition_chains_both_parts() -> None:
    system = ToySystem("none")
    both: Defense = system.fit(compose(DEFENSES.get("pixelate")(), DEFENSES.get("biohash")()))
    source = SecretSource.installation(0)
    images, draw = system.public.images(SOME), source.draw(system.public.ids[SOME])
    wire = both.leak(images, Surface.WIRE, draw)
    assert torch.equal(wire, ToySystem("pixelate").deployed_leak(SOME, Surface.WIRE))
    stored = both.leak(images, Surface.TEMPLATE, draw)
    assert stored.dtype is torch.bool
    assert torch.equal(stored, both.second.enroll(system.recognizer.embed(wire), draw))
    assert both.name == "pixelate+biohash"
    assert both.secrets == frozenset({Secret.DEPLOYMENT})
    assert torch.equal(both.score(images, images, (draw, draw)), torch.ones(len(SOME)))


def test_a_trained_wire_defence_composes_with_a_template_defence() -> None:
    """Each surface leaks what the part that acts there lets out, and both parts' facts stand on the board."""
    system = ToySystem("none")
    parts = [DEFENSES.get(name)(small_defense(name)) for name in ("partialface", "biohash")]
    both: Defense = system.fit(compose(parts[0], parts[1]))
    draw = system.installation.draw(system.public.ids[SOME])
    images = system.public.images(SOME)
    wire = both.leak(images, Surface.WIRE, draw)
    assert wire.shape[1:] == (27, 32, 32)
    assert torch.equal(both.leak(images, Surface.IMAGE, draw), images)
    stored = both.leak(images, Surface.TEMPLATE, draw)
    assert torch.equal(stored, parts[1].enroll(parts[0].embed(wire), draw))
    assert both.properties()["recognizer_init"] == "distill"
    assert both.keyed_templates
    assert not ToySystem("partialface").defense.keyed_templates, "its key is on the wire and cannot be re-issued"
