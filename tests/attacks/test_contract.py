"""What every registered attack must do. A new class gets these tests for free."""

from __future__ import annotations

import functools

import pytest
import torch
from faceleak.bench.core.errors import NoGradientError, NotApplicable
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.surfaces import Fidelity, Surface
from faceleak.bench.core.threat import DefenseKnowledge, RecognizerAccess, ThreatModel
from systems import CPU, ToySystem, brief, fitted, small

K0, K1 = DefenseKnowledge.K0, DefenseKnowledge.K1
VICTIMS = torch.arange(0, 90, 6)  # one image of each of fifteen victims

# Which toy system an attack is tried on at each surface.
DEFENDED = {Surface.TEMPLATE: "gaussian-noise", Surface.WIRE: "random-mask", Surface.IMAGE: "none"}
CASES = [
    pytest.param(name, surface, id=f"{name}-{surface.value}")
    for name in ATTACKS.names()
    for surface in Surface
    if surface in ATTACKS.get(name).surfaces and surface is not Surface.IMAGE
]
TRAINED = [case for case in CASES if ATTACKS.get(case.values[0]).trained]
READING = [case for case in TRAINED if "attributes" in ATTACKS.get(case.values[0]).recovers]


def _threat(name: str, knowledge: DefenseKnowledge = K1) -> ThreatModel:
    return ATTACKS.get(name).threat.with_defense(knowledge)


def _recover(attack, context, leak):  # type: ignore[no-untyped-def]
    if context.photographs is not None:
        chosen = {role: images[VICTIMS] for role, images in context.photographs.items()}
        context.photographs = chosen
    context.target.enrol(leak)
    return attack.recover(leak, context_ids(len(VICTIMS)), context)


@functools.cache
def fitted_once(name: str, surface: Surface):  # type: ignore[no-untyped-def]
    """For tests that only read: the same fit for all of them."""
    return fitted(name, ToySystem(DEFENDED[surface]), _threat(name), surface)


def context_ids(count: int) -> torch.Tensor:
    return torch.arange(count) * 7 + 1


@pytest.mark.parametrize(("name", "surface"), CASES)
def test_shape_range_determinism_and_batches(name: str, surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    system = ToySystem(DEFENDED[surface])
    leak = system.deployed_leak(VICTIMS, surface, "victims")
    attack, context = fitted(name, system, _threat(name), surface)
    found = _recover(attack, context, leak)
    parts = {"image": found.images, "identity": found.embeddings, "attributes": found.attributes}
    kinds = {kind for kind, part in parts.items() if part is not None}
    assert kinds == set(attack.recovers)
    assert len(found) == len(VICTIMS)
    if found.images is not None:
        assert found.images.dtype is torch.float32
        assert found.images.shape[1] == 3

    again, other = fitted_once(name, surface)
    assert _equal(_recover(again, other, leak), found, exact=True), "same seed, same recovery"
    monkeypatch.setattr(type(attack), "batch", 4)
    context.photographs = other.photographs
    context.target.enrol(leak)
    assert _equal(attack.recover(leak, context_ids(len(VICTIMS)), context), found), "batch size must not matter"


def _equal(a, b, exact: bool = False) -> bool:  # type: ignore[no-untyped-def]
    pairs = [(a.images, b.images), (a.embeddings, b.embeddings)]
    pairs += [(likely, b.attributes[name]) for name, likely in (a.attributes or {}).items()]
    close = torch.equal if exact else lambda x, y: torch.allclose(x, y, atol=2e-5)
    return all((x is None and y is None) or close(x, y) for x, y in pairs)


@pytest.mark.parametrize(("name", "surface"), TRAINED)
def test_a_fit_reads_back_from_its_state(name: str, surface: Surface) -> None:
    system = ToySystem(DEFENDED[surface])
    leak = system.deployed_leak(VICTIMS, surface, "victims")
    attack, context = fitted_once(name, surface)
    loaded = ATTACKS.get(name)(small(name)).fit(context, attack.state_dict())
    assert _equal(_recover(loaded, context, leak), _recover(attack, context, leak), exact=True)
    assert attack.log is not None
    losses = attack.log.losses  # a second term may join midway, so the first value is not the largest
    assert sum(losses[-3:]) / 3 < max(losses), "it learns"


@pytest.mark.parametrize(("name", "surface"), CASES)
def test_the_pair_budget_is_respected(name: str, surface: Surface) -> None:
    from dataclasses import replace

    system = ToySystem(DEFENDED[surface])
    _, context = fitted(name, system, replace(_threat(name), pairs=40), surface, brief(name))
    assert context.target.n_pairs <= 40


@pytest.mark.parametrize(("name", "surface"), CASES)
def test_a_recogniser_without_gradients_stops_white_boxes_only(name: str, surface: Surface) -> None:
    system = ToySystem("none", recognizer="toy-forward")
    if ATTACKS.get(name).threat.recognizer is RecognizerAccess.WHITE_BOX:
        with pytest.raises(NoGradientError, match="supply torch or safetensors weights"):
            fitted(name, system, _threat(name, K0), surface, brief(name))
    else:
        attack, context = fitted(name, system, _threat(name, K0), surface, brief(name))
        leak = system.deployed_leak(VICTIMS, surface, "victims")
        assert len(_recover(attack, context, leak)) == len(VICTIMS)


@pytest.mark.parametrize(("name", "surface"), READING)
def test_it_reads_more_than_chance_on_the_undefended_system(name: str, surface: Surface) -> None:
    system = ToySystem("none")
    leak = system.deployed_leak(torch.arange(90), surface, "victims")
    attack, context = fitted(name, system, _threat(name, K0), surface)
    found, truth = attack.recover(leak, context_ids(90), context).attributes, system.victims.attributes
    assert found is not None
    assert truth is not None
    for attribute, likely in found.items():
        assert (likely.argmax(1) == truth.labels[attribute]).float().mean() > 0.68, attribute  # chance is 0.59 at most


@pytest.mark.parametrize(("name", "surface"), [case for case in TRAINED if case not in READING])
def test_it_beats_the_mean_face_on_the_undefended_system(name: str, surface: Surface) -> None:
    system = ToySystem("none")
    leak = system.deployed_leak(VICTIMS, surface, "victims")
    truth = system.recognizer.embed(system.victims.images(VICTIMS))
    cosines = {}
    for tried in (name, "mean-face"):
        attack, context = fitted(tried, system, _threat(tried, K0), surface)
        found = _recover(attack, context, leak)
        z = found.embeddings if found.images is None else system.recognizer.embed(found.images)
        cosines[tried] = float((z * truth).sum(1).mean())
    assert cosines[name] > cosines["mean-face"] + 0.1, cosines


@pytest.mark.parametrize("name", ATTACKS.names())
def test_what_stands_on_the_board(name: str) -> None:
    cls = ATTACKS.get(name)
    assert cls.surfaces
    assert cls.recovers <= {"image", "identity", "attributes"}
    assert (cls.__doc__ or "").strip(), "a docstring that says what it does"
    if cls.fidelity is not Fidelity.BASELINE:
        assert cls.paper, "an attack that claims a paper names it"
    assert not (cls.trained and cls.threat.victims), "an attack never sees the victims"


def test_vector_attacks_refuse_maps() -> None:
    for name in ("decoder", "linear-ridge"):
        with pytest.raises(NotApplicable):
            fitted(name, ToySystem("none"), _threat(name), Surface.WIRE)


def test_a_leak_of_another_shape_is_refused_before_anything_is_learnt() -> None:
    system = ToySystem("biohash")
    attack = ATTACKS.get("decoder")(small("decoder"))
    context = system.context(_threat("decoder", K0))
    leak = system.deployed_leak(VICTIMS, Surface.TEMPLATE, "victims")
    with pytest.raises(NotApplicable, match="oblivious adversary cannot feed it"):
        attack.check_shape(leak[:, :-1], context)
    assert not list(attack.parameters()), "no network was even built"
    attack.check_shape(leak, system.context(_threat("decoder", K1)))


def test_what_does_not_depend_on_the_defence_is_learnt_once() -> None:
    made: dict[str, dict[str, torch.Tensor]] = {}
    asked = []

    def keep(name, spec, make):  # type: ignore[no-untyped-def]
        asked.append((name, dict(spec)))
        if name not in made:
            made[name] = {key: value.clone() for key, value in make().items()}
        return made[name]

    fits = []
    for defense, kept in (("gaussian-noise", False), ("none", True), ("gaussian-noise", True)):
        context = ToySystem(defense).context(_threat("decoder"))
        if kept:
            context.keep = keep
        fits.append(ATTACKS.get("decoder")(brief("decoder")).fit(context).state_dict())
    assert asked[0] == asked[1], "the student is asked for by the same name, whatever the defence"
    assert set(made) == {"student"}
    own, _, shared = fits
    assert all(torch.equal(own[key], shared[key]) for key in own), "with the kept student the fit is the same"


def test_device_is_the_context_s() -> None:
    attack, context = fitted("decoder", ToySystem("none"), _threat("decoder", K0), Surface.TEMPLATE, brief("decoder"))
    assert {p.device for p in attack.parameters()} == {CPU}
    assert context.device == CPU
