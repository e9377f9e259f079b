"""The student that knows no defence: what it is fed, what it may ask, and that it sees through a disguise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from faceleak.attacks.identity_extraction_blind import patterns
from faceleak.bench.core.context import AttackContext
from faceleak.bench.core.errors import InputError, NotApplicable, ThreatModelError
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from systems import ToySystem, recognizer, small

NAME = "identity-extraction-blind"
PERSONS = torch.arange(60)
# Dark and bright spots on grey, more dark ones: fine structure with a sign, as faces have.
SPOTS = F.interpolate(1 - Rng(0, "spots").normal(PERSONS, (1, 8, 8)).square() / 4, (32, 32), mode="bicubic")
FACES = SPOTS.clamp(0, 1).expand(-1, 3, -1, -1)


def disguised(images: torch.Tensor) -> torch.Tensor:
    """Fine structure only, in seven channels of other signs, strengths and offsets."""
    gain = torch.tensor([3.0, -40.0, 0.2, 1.0, -1.0, 9.0, 2.0])[:, None, None]
    fine = images[:, :1] - F.avg_pool2d(images[:, :1], 7, 1, 3, count_include_pad=False)
    return gain * fine + gain + 0.02 * gain.abs() * Rng(1, "n").normal(torch.arange(len(images)), (7, 32, 32))


def context() -> AttackContext:
    made = ToySystem("none").context(ATTACKS.get(NAME).threat, Surface.WIRE)
    names = [f"s{i}" for i in range(40)]
    made.public = FaceSet("public", names, names, lambda index: FACES[index], "spots")
    own = recognizer("toy-b")
    made.surrogate, made.surrogate_embeddings = own, lambda: own.embed(FACES[:40])
    made.keep = lambda name, spec, make: make()
    return made


def fit(made: AttackContext, **more: Any) -> Any:
    return ATTACKS.get(NAME)(small(NAME) | {"side": 32, "map_steps": 150} | more).fit(made)


def test_it_recognises_people_in_a_disguise_that_it_has_never_seen() -> None:
    made = context()
    attack = fit(made)
    found = attack.recover(disguised(FACES[40:]), torch.arange(20), made)
    assert found.space == "surrogate"
    cosine = found.embeddings @ recognizer("toy-b").embed(FACES[40:]).T
    hits = (cosine.argmax(1) == torch.arange(20)).float().mean()
    assert hits > 0.4, "chance is 0.05"
    assert (made.target.n_pairs, made.target.n_queries) == (0, 0), "nothing was asked of the system"
    with pytest.raises(ThreatModelError, match="black-box"):
        made.target.embed(FACES[:1])


def test_patterns_do_not_know_channels_scales_or_offsets() -> None:
    leak = disguised(FACES[:4])
    seen = patterns(leak, 5)
    order = torch.tensor([4, 2, 0, 6, 5, 1, 3])
    other = leak[:, order] * torch.tensor([1.0, -1, 5, 2, -3, 1, 1])[:, None, None] + 8
    assert torch.allclose(patterns(other, 5)[:, 0], seen[:, 0], atol=1e-2)
    assert seen.shape == (4, 3, 32, 32)
    assert torch.allclose(seen.flatten(2).var(2, unbiased=False), torch.ones(4, 3), atol=1e-3)
    lonely = patterns(leak[:, :1], 5)
    assert lonely[:, 1:].abs().max() == 0, "of one channel there is one pattern"
    assert patterns(torch.full((2, 3, 16, 16), 7.0), 5).abs().max() == 0, "a blank shows nothing"


def test_a_leak_of_several_maps_is_stacked_and_brought_to_size() -> None:
    made = context()
    attack = fit(made, map_steps=2)
    leak = {"a": disguised(FACES[:3]), "b": F.avg_pool2d(disguised(FACES[:3]), 2)}
    assert attack.inputs(leak).shape == (3, 3, 32, 32)
    with pytest.raises(NotApplicable, match="reads maps"):
        attack.inputs(torch.zeros(3, 16))


def test_it_needs_a_recogniser_of_its_own_and_sensible_blurs() -> None:
    made = context()
    with pytest.raises(InputError, match="odd sizes from 3"):
        fit(made, blurs=[4])
    made.surrogate = made.surrogate_embeddings = None
    with pytest.raises(NotApplicable, match="name a surrogate"):
        fit(made)


def test_one_student_serves_for_all_defences() -> None:
    made, asked = context(), []

    def keep(name: str, spec: Any, make: Any) -> Any:
        asked.append((name, str(spec)))
        return make()

    made.keep = keep
    first = fit(made, map_steps=3).state_dict()
    other = context()
    other.target, other.rng, other.keep = (
        ToySystem("random-mask").target(made.target.threat, Surface.WIRE),
        Rng(0, "b"),
        keep,
    )
    second = fit(other, map_steps=3).state_dict()
    assert asked[0] == asked[1]
    assert all(torch.equal(first[key], second[key]) for key in first)
