"""Attacks that ask: what they spend, what they reach, and that a budget stops them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from faceleak.attacks.score_regression import spread_out
from faceleak.bench.core.errors import BudgetError, InputError, NotApplicable
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.surfaces import Surface
from systems import ToySystem, small

VICTIMS = torch.arange(0, 90, 6)
IDS = torch.arange(len(VICTIMS))


def run(name: str, system: ToySystem, settings: dict | None = None, queries: int | None = None):  # type: ignore[no-untyped-def, type-arg]
    """Recovery of some victims, and the context that counted."""
    threat = replace(ATTACKS.get(name).threat, queries=queries)
    context = system.with_surrogate(system.context(threat))
    attack = ATTACKS.get(name)(small(name) | (settings or {})).fit(context)
    leak = system.deployed_leak(VICTIMS, Surface.TEMPLATE, "victims")
    context.target.enrol(leak)
    context.target.forget_counts()
    return attack.recover(leak, IDS, context), context


def likeness(system: ToySystem, images: torch.Tensor) -> float:
    """Mean cosine of pictures with the victims, by the attacked recogniser."""
    truth = system.recognizer.embed(system.victims.images(VICTIMS))
    return float((system.recognizer.embed(images) * truth).sum(1).mean())


@pytest.mark.parametrize("name", ["eigenface-climb", "gaussian-blobs"])
def test_a_climb_rises_and_spends_what_it_says(name: str) -> None:
    system = ToySystem("none")
    short, context = run(name, system, {"rounds": 1, "candidates": 5})
    assert context.target.n_queries == 5 * len(VICTIMS)
    long, context = run(name, system, {"rounds": 30, "candidates": 16})
    assert context.target.n_queries == 480 * len(VICTIMS)
    assert short.images is not None
    assert long.images is not None
    assert likeness(system, long.images) > likeness(system, short.images) + 0.1


@pytest.mark.parametrize("name", ["eigenface-climb", "gaussian-blobs", "score-regression"])
def test_one_query_too_many_is_refused(name: str) -> None:
    asked = 40 if name == "score-regression" else 12 * 12
    run(name, ToySystem("none"), queries=asked)
    with pytest.raises(BudgetError, match=f"was queried {asked} times"):
        run(name, ToySystem("none"), queries=asked - 1)


def test_every_query_about_a_victim_meets_fresh_sample_secrets() -> None:
    system = ToySystem("gaussian-noise")
    target = system.target(ATTACKS.get("gaussian-blobs").threat.with_defense("K1"))  # type: ignore[arg-type]
    picture = system.public.images(torch.zeros(3, dtype=torch.int64))
    same = target.query(picture, torch.tensor([7, 7, 8]))
    assert isinstance(same, torch.Tensor)
    assert not torch.equal(same[0], same[1])
    target.enrol(None)
    assert torch.allclose(target.query(picture[:1], torch.tensor([7])), same[:1], atol=1e-5), "counted anew"


def test_enough_scores_give_the_embedding_away() -> None:
    """As many exact scores as there are unknowns leave nothing open (the surrogate is the attacked one)."""
    system = ToySystem("none")
    cosines = {}
    for scores in (8, 140):
        context = system.context(ATTACKS.get("score-regression").threat)
        z = system.recognizer.embed(system.public.images(torch.arange(len(system.public))))
        context.surrogate, context.surrogate_embeddings = system.recognizer, lambda z=z: z
        settings = small("score-regression") | {"scores": scores, "penalty": 1e-6}
        attack = ATTACKS.get("score-regression")(settings).fit(context)
        leak = system.deployed_leak(VICTIMS, Surface.TEMPLATE, "victims")
        context.target.enrol(leak)
        found = attack.recover(leak, IDS, context)
        assert found.embeddings is not None
        cosines[scores] = float(F.cosine_similarity(found.embeddings, leak).mean())
    assert cosines[140] > 0.99, cosines
    assert cosines[8] < cosines[140]


def test_score_regression_says_what_it_needs() -> None:
    with pytest.raises(NotApplicable, match="name a surrogate"):
        ATTACKS.get("score-regression")().fit(ToySystem("none").context(ATTACKS.get("score-regression").threat))
    with pytest.raises(InputError, match=r"scores must lie in 2\.\.150"):
        run("score-regression", ToySystem("none"), {"scores": 151})


def test_probes_are_spread_out() -> None:
    z = F.normalize(torch.tensor([[1.0, 0], [0.99, 0.1], [0, 1], [0.1, 0.99], [-1, 0]]), dim=1)
    assert spread_out(z, 3).tolist() == [0, 4, 2]


def test_pixel_inversion_satisfies_the_attacked_recogniser() -> None:
    system = ToySystem("none")
    start, _ = run("pixel-inversion", system, {"steps": 1, "lr": 1e-6})
    found, _ = run("pixel-inversion", system, {"steps": 80})
    assert start.images is not None
    assert found.images is not None
    assert likeness(system, found.images) > likeness(system, start.images) + 0.02
    assert likeness(system, found.images) > 0.95


def test_pixel_inversion_needs_an_embedding() -> None:
    with pytest.raises(NotApplicable, match="another shape"):
        run("pixel-inversion", ToySystem("pca", {"components": 8}))
