"""Searches of latent codes: the core that they share, GIFT, CLIP2Protect and the generative swap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError, NoGradientError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.seeding import Rng
from faceleak.defenses.clip2protect import Clip2Protect, directional, warped
from faceleak.defenses.generative_swap import GenerativeSwap
from faceleak.defenses.gift import Gift, copied
from faceleak.defenses.latent import ROWS, Adversary, descend, first_photographs
from systems import CPU, ToySystem, recognizer, small_defense
from torch import Tensor

CLOAKS = ("gift", "clip2protect")
SOME = torch.arange(0, 30, 6)
LONGER = {"search_steps": 4, "search_lr": 0.2}


def _system(name: str, **settings: Any) -> ToySystem:
    return ToySystem(name, small_defense(name) | settings)


def _published(system: ToySystem, index: Tensor = SOME) -> Tensor:
    draw = system.installation.draw(system.victims.ids[index])
    return system.defense.publish(system.victims.images(index), draw)


def _likeness(system: ToySystem, images: Tensor) -> tuple[float, float]:
    """Cosines, under the surrogate, with the decoy's first photograph and with the originals."""
    embed = recognizer("toy-b").embed
    label = int(system.defense.decoy)  # type: ignore[arg-type]
    first = int((system.public.labels == label).nonzero()[0])
    z, decoy = embed(images), embed(system.public.images(torch.tensor([first])))
    return float((z @ decoy.T).mean()), float((z * embed(system.victims.images(SOME))).sum(1).mean())


def test_descent_keeps_pictures_apart_and_frozen_ones_in_place() -> None:
    ids = torch.arange(4)
    start = {"a": Rng(0, "a").normal(ids, (3,)), "b": Rng(0, "b").normal(ids, (2,))}

    def loss(step: int, found: dict[str, Tensor]) -> Tensor:
        return (found["a"] - 1).square().sum(1) + (found["b"] + found["a"][:, :2]).square().sum(1)

    free = {"b": torch.tensor([1.0, 0.0])}
    found = descend(loss, start, 100, 0.1, free)
    assert torch.equal(found["b"][:, 1], start["b"][:, 1])
    assert torch.allclose(found["a"][:, 2], torch.ones(4), atol=0.05)
    assert float(loss(0, found).sum()) < float(loss(0, start).sum()) / 2
    alone = descend(loss, {name: value[2:3] for name, value in start.items()}, 100, 0.1, free)
    assert torch.equal(alone["a"], found["a"][2:3])
    assert not start["a"].requires_grad


def test_aims() -> None:
    surrogates = [recognizer("toy-a"), recognizer("toy-b")]
    x, y, decoy = torch.rand(3, 2, 3, 32, 32)
    wanted = [f(decoy[:1]) for f in surrogates]
    to = torch.stack([1 - F.cosine_similarity(f(y), z) for f, z in zip(surrogates, wanted, strict=True)])
    away = torch.stack([F.cosine_similarity(f(y), f(x)) - 1 for f in surrogates])
    for aim, expected in (("impersonate", to), ("dodge", away), ("both", to + away)):
        adversary = Adversary(surrogates, wanted, aim)  # type: ignore[arg-type]
        assert torch.allclose(adversary.loss(y, adversary.own(x)), expected, atol=1e-6)


@pytest.mark.parametrize("name", CLOAKS)
def test_the_search_leads_to_the_decoy_or_away_from_the_person(name: str) -> None:
    weak, strong = _system(name), _system(name, **LONGER)
    decoy_before, own_before = _likeness(weak, _published(weak))
    decoy_after, own_after = _likeness(strong, _published(strong))
    assert decoy_after > decoy_before + 0.05
    dodging = _system(name, **LONGER, aim="dodge")
    assert _likeness(dodging, _published(dodging))[1] < min(own_before, own_after)
    assert dodging.defense.decoys() is None
    assert strong.defense.decoys() is not None


@pytest.mark.parametrize("name", CLOAKS)
def test_a_picture_is_searched_by_itself(name: str) -> None:
    system = _system(name, **LONGER)
    index = torch.arange(ROWS)
    together = _published(system, index)
    assert torch.equal(_published(system, index[[5, 2]]), together[[5, 2]])


@pytest.mark.parametrize("name", [*CLOAKS, "generative-swap"])
def test_pictures_of_another_size_keep_it(name: str) -> None:
    system = _system(name)
    x, draw = torch.rand(2, 3, 40, 36), system.installation.draw(torch.arange(2))
    y = system.defense.publish(x, draw)
    assert y.shape == x.shape
    assert system.defense.publish(x[:0], draw.take(slice(0, 0))).shape == (0, 3, 40, 36)
    assert 0 <= float(y.min()) <= float(y.max()) <= 1


def test_gift_inverts_before_it_searches() -> None:
    none, more = _system("gift"), _system("gift", invert_steps=12)
    x = none.victims.images(SOME)
    errors = []
    for system in (none, more):
        assert isinstance(system.defense, Gift)
        codes, net = system.defense.invert(x), system.defense.net
        errors.append(float((net.generator.details(codes["base"], codes["w"]) - x).square().mean()))
    assert errors[1] < errors[0]


def test_gift_keeps_parts_where_they_are_if_it_is_told_to() -> None:
    divergence = []
    for weight in (0.0, 100.0):
        learnt = {"parser_steps": 15, "parser_lr": 0.02}
        defense = _system("gift", **LONGER, **learnt, weight_parts=weight).defense
        assert isinstance(defense, Gift)
        x = _system("gift").victims.images(SOME)
        codes = defense.invert(x)
        y = defense.pursue(x, codes)
        divergence.append(float(F.cross_entropy(defense.parser(y), defense.parser(x).softmax(1))))
    assert divergence[1] < divergence[0]


def test_random_copies() -> None:
    x = torch.full((2, 3, 32, 32), 0.5)
    copies = [copied(x, Rng(0, "copies"), number) for number in range(40)]
    assert all(copy.shape == x.shape and torch.equal(copy[0], copy[1]) for copy in copies)
    framed = [bool((copy == 0).any()) for copy in copies]
    noisy = [float(copy[copy > 0].std()) > 1e-3 for copy in copies]
    assert {(a, b) for a, b in zip(framed, noisy, strict=True)} == {(a, b) for a in (0, 1) for b in (0, 1)}
    assert all(bool((copy >= 0).all() and (copy <= 1).all()) for copy in copies)
    assert torch.equal(copied(x, Rng(0, "copies"), 7), copies[7])


def test_clip2protect_tunes_a_generator_for_each_picture() -> None:
    defense = _system("clip2protect", tune_steps=8).defense
    assert isinstance(defense, Clip2Protect)
    x = _system("clip2protect").victims.images(SOME)
    w, shared = defense.net.encode(x)[0], defense.net.generator
    before = [value.clone() for value in shared.parameters()]
    generators = defense.tune(x, w)
    drawn = defense.drawn(generators, w)
    assert torch.allclose(drawn[1], defense.drawn({k: v[1:2] for k, v in generators.items()}, w[1:2])[0], atol=1e-6)
    assert float((drawn - x).square().mean()) < float((shared(w) - x).square().mean())
    assert all(torch.equal(a, b) for a, b in zip(before, shared.parameters(), strict=True)), "copies, not the original"
    swapped = defense.drawn({name: value.roll(1, 0) for name, value in generators.items()}, w)
    assert not torch.allclose(swapped, drawn, atol=1e-4)


def test_frozen_styles() -> None:
    """With all but the last style frozen, the search changes less."""
    still = _published(_system("clip2protect", search_lr=1e-9))
    moved = [float((_published(_system("clip2protect", **LONGER, frozen=n)) - still).abs().mean()) for n in (3, 8)]
    assert 0 < moved[1] < moved[0]


def test_directions() -> None:
    """The loss is least where the picture goes the way that the text goes, and highest where it turns back."""
    axes = torch.eye(4)
    before, wanted, neutral = axes[:1], axes[1:2], axes[2:3]
    losses = [float(directional(before, F.normalize(before + 0.1 * way), wanted, neutral)) for way in (
        wanted - neutral, torch.zeros(1, 4), neutral - wanted)]  # fmt: skip
    assert losses[0] < losses[1] < losses[2]
    assert losses[1] == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-5), "no way at all: two equal choices"


def test_warps() -> None:
    x = torch.rand(2, 3, 32, 32)
    first, second = warped(x, Rng(0), 0), warped(x, Rng(0), 1)
    assert first.shape == x.shape
    assert not torch.equal(first, second)
    assert torch.equal(first, warped(x, Rng(0), 0))
    inside = warped(torch.ones(1, 3, 32, 32), Rng(0), 0)
    assert 0.2 < float(inside.mean()) < 1, "corners move inwards"


def test_the_swap_takes_the_details_of_the_donor_that_the_secret_names() -> None:
    system = _system("generative-swap")
    defense = system.defense
    assert isinstance(defense, GenerativeSwap)
    x = system.victims.images(SOME)
    draws = [system.installation.draw(system.victims.ids[SOME], p) for p in (0, 1)]
    once, again = (defense.publish(x, draw) for draw in draws)
    assert not torch.equal(once, again)
    assert len(defense.donors) == system.public.n_identities
    base = defense.net.encode(x)[1]
    every = torch.stack([defense.net.generator.details(base, w.expand(len(x), -1, -1)) for w in defense.donors])
    nearest = (every - once).square().flatten(2).mean(2).min(0)
    assert float(nearest.values.max()) < 1e-10
    assert len(nearest.indices.unique()) > 1


def test_the_first_photographs() -> None:
    public = _system("generative-swap").public
    first = first_photographs(public)
    assert torch.equal(public.labels[first], torch.arange(public.n_identities))
    assert all(int((public.labels == label).nonzero()[0]) == position for label, position in enumerate(first))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"search_steps": 0}, "search_steps must be positive, got 0"),
        ({"search_lr": -0.1}, "search_lr must be positive"),
        ({"weight_latent": -1.0}, "weight_latent must not be negative"),
        ({"frozen": 9}, r"frozen must lie in 0 .. 8"),
        ({"prompt": "purple bright hat"}, r"no caption of the data set has \(purple, hat\)"),
        ({"prompt": " "}, "it is empty"),
    ],
)
def test_settings_that_no_search_can_do_with(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _system("clip2protect", **settings)


@pytest.mark.parametrize("name", CLOAKS)
def test_surrogates_are_needed(name: str) -> None:
    public = _system("generative-swap").public
    for surrogates, error, message in (
        ((), InputError, "searches against recognisers of the protector's, and the track names none"),
        ((recognizer("toy-forward"),), NoGradientError, "forward only"),
    ):
        context = FitContext(recognizer("toy-a"), public, Rng(0), CPU, Progress(), surrogates, 32)
        with pytest.raises(error, match=message):
            DEFENSES.get(name)(small_defense(name)).fit(context)


def test_another_clip_at_the_same_path_is_another_cell(tmp_path: Path) -> None:
    weights = tmp_path / "clip.pt"
    described = []
    for content in (None, b"one", b"other"):
        if content:
            weights.write_bytes(content)
        described.append(Clip2Protect({"text_image": str(weights)}).describe()["text_image"])
    assert described[0] == "missing"
    assert len(set(described)) == 3
    assert "text_image" not in Clip2Protect().describe()
