"""The shared face prior and the attacks that search in it."""

from __future__ import annotations

import torch
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.zoo.prior import PriorSettings, encoded, face_prior, samples
from systems import ToySystem, small

VICTIMS = torch.arange(0, 90, 9)
IDS = torch.arange(len(VICTIMS))
SIZE = PriorSettings(prior_dim=16, prior_width=16, prior_steps=70, prior_kl=0.002)  # as in ``small``: made once


def _recovered(name: str, system: ToySystem, settings: dict[str, float] | None = None):  # type: ignore[no-untyped-def]
    context = system.context(ATTACKS.get(name).threat)
    attack = ATTACKS.get(name)(small(name) | (settings or {})).fit(context)
    leak = system.deployed_leak(VICTIMS, Surface.TEMPLATE, "victims")
    context.target.enrol(leak)
    context.target.forget_counts()
    images = attack.recover(leak, IDS, context).images
    return float((system.recognizer.embed(images) * leak).sum(1).mean()), context.target.n_queries


def test_the_prior_draws_faces_it_has_not_seen() -> None:
    system = ToySystem("none")
    prior = face_prior(system.context(ATTACKS.get("latent-mapping").threat), SIZE)
    faces, embed = system.victims.resized(VICTIMS, 32), system.recognizer.embed
    with torch.no_grad():
        again = prior(prior.encode(faces)[0])
        drawn = prior(samples(prior, system.context(ATTACKS.get("grey").threat).rng, IDS, 1)[:, 0])
    likeness = embed(again) @ embed(faces).T
    assert float(likeness.diagonal().mean() - likeness.mean()) > 0.15, "who is put in comes out"
    assert float(drawn.std(0).mean()) > 0.02, "samples differ from each other"


def test_equal_seeds_train_equal_priors() -> None:
    size, system = PriorSettings(prior_dim=8, prior_width=16, prior_steps=3), ToySystem("none")
    made = []
    for _ in range(2):
        context = system.context(ATTACKS.get("grey").threat)
        context.keep = lambda name, spec, make: make()
        made.append(encoded(face_prior(context, size), context, 9))
    assert torch.equal(*made)


def test_searching_longer_finds_more_alike_faces() -> None:
    system = ToySystem("none")
    assert (
        _recovered("latent-inversion", system, {"steps": 30})[0]
        > _recovered("latent-inversion", system, {"steps": 2})[0] + 0.02
    )
    few, asked = _recovered("zeroth-order", system, {"iterations": 0})
    more, spent = _recovered("zeroth-order", system, {"iterations": 40})
    assert asked == 24 * len(VICTIMS), "the first samples are counted"
    assert spent == (24 + 40 * 5) * len(VICTIMS)
    assert more > few


def test_the_losses_of_the_mapping_are_settings() -> None:
    system = ToySystem("none")
    latent_only = _recovered("latent-mapping", system, {"weight_pixel": 0.0, "weight_id": 0.0, "steps": 80})[0]
    assert latent_only > 0.1, "Dong's regression"


def test_the_decoders_take_the_cascaded_network() -> None:
    assert _recovered("decoder-id", ToySystem("none"), {"network": "cascade", "width": 32, "steps": 60})[0] > 0.2
