"""Diff-Privacy: what its keys hold, what its energy does, and where its conditions end."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.leaks import leak_take
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.seeding import Rng
from faceleak.bench.metrics.quality import psnr
from systems import CPU, ToySystem, faces, recognizer
from torch import Tensor

SOME = torch.arange(16)
X = faces()["victims"].images(SOME)


def defense(mode: str = "diff-privacy", **settings: Any) -> Any:
    return ToySystem(mode, settings).defense


def published(mode: str = "diff-privacy", **settings: Any) -> Tensor:
    system = ToySystem(mode, settings)
    return system.defense.publish(X, system.installation.draw(faces()["victims"].ids[SOME]))


def likeness(images: Tensor, alias: str = "toy-b") -> float:
    """Mean cosine to the originals, as the protector's recogniser sees it."""
    return float(F.cosine_similarity(recognizer(alias)(images), recognizer(alias)(X), dim=1).mean())


def test_the_key_alone_gives_back_what_codes_hold_and_both_of_its_parts_matter() -> None:
    system = defense(key_levels=20, key_rounds=2)
    key = system.make_key(X, ToySystem("none").installation.draw(SOME))
    assert {name: tuple(part.shape) for name, part in key.items()} == {
        "noise": (16, 12, 4, 4), "embeddings": (16, 10, 64),
    }  # fmt: skip
    round_trip = float(psnr(system.round_trip(X), X).mean())
    assert torch.allclose(system.round_trip(X), system.diffusion.decode(system.diffusion.encode(X)), atol=1e-5)
    blank, other = torch.zeros_like(X), leak_take(key, SOME.roll(4))
    found = {
        "right": system.recover(blank, key),
        "wrong noise": system.recover(blank, key | {"noise": other["noise"]}),
        "wrong embeddings": system.recover(blank, key | {"embeddings": other["embeddings"]}),
    }
    scores = {name: float(psnr(images, X).mean()) for name, images in found.items()}
    assert scores["right"] > round_trip - 1
    assert scores["wrong noise"] < scores["right"] - 3
    assert scores["wrong embeddings"] < scores["right"] - 0.4
    assert torch.equal(found["right"], system.recover(torch.ones_like(X), key)), "the published picture is not read"


def test_stronger_energy_is_less_like_the_original_and_hiding_keeps_the_likeness() -> None:
    plain, weak, strong = (likeness(published(energy=energy)) for energy in (0.0, 2.0, 20.0))
    assert strong < weak < plain
    kept, held = (likeness(published("diff-privacy-hide", energy=energy)) for energy in (0.0, 20.0))
    assert held > kept
    assert held > strong + 0.2


def test_guidance_is_the_gradient_of_the_energy_of_each_picture() -> None:
    for mode in ("diff-privacy", "diff-privacy-hide"):
        system = defense(mode, energy=3.0)
        z = system.diffusion.encode(X.roll(1, 0))
        step, wanted = system._guide(X)(z), recognizer("toy-b")(X)

        def energy(z: Tensor, hide: bool = mode.endswith("hide"), wanted: Tensor = wanted, s: Any = system) -> Tensor:
            cosine = F.cosine_similarity(recognizer("toy-b")(s.diffusion.decode(z)), wanted, dim=1)
            return 1 - cosine if hide else cosine.clamp(min=0)

        way = Rng(0, "way").normal(SOME, tuple(z.shape[1:]))
        slope = (energy(z + 1e-2 * way) - energy(z - 1e-2 * way)) / 2e-2
        assert torch.allclose(3 * slope, (step * way).flatten(1).sum(1), atol=0.02)
        assert torch.allclose(system._guide(X[:3])(z[:3]), step[:3], atol=1e-4), "each picture's own"


def test_more_strength_changes_more_and_conditions_end_where_they_should() -> None:
    near, far = (float(psnr(published(energy=0.0, strength=strength), X).mean()) for strength in (0.15, 1.0))
    assert near > far + 3
    unseen = published(energy=0.0, strength=0.4, conditioned_above=0.4)
    assert torch.equal(unseen, published(energy=0.0, strength=0.4, conditioned_above=1.0)), "there are no levels left"
    assert not torch.equal(unseen, published(energy=0.0, strength=0.4, conditioned_above=0.2))


def test_pictures_of_other_sizes_come_back_at_their_own() -> None:
    system, draw = defense(), ToySystem("none").installation.draw(SOME[:2])
    x = Rng(0, "x").uniform(SOME[:2], (3, 48, 40))
    assert system.publish(x, draw).shape == x.shape
    assert system.recover(torch.zeros_like(x), system.make_key(x, draw)).shape == x.shape


def test_both_modes_share_the_model() -> None:
    one, other = defense(), defense("diff-privacy-hide")
    pairs = zip(one.diffusion.state_dict().values(), other.diffusion.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_what_it_cannot_do_is_one_clear_sentence() -> None:
    with pytest.raises(InputError, match=r"a dict of noise and embeddings.*got a tensor of shape \(16, 3, 32, 32\)"):
        defense().recover(X, X)
    with pytest.raises(InputError, match=r"got \['noise'\]"):
        defense().recover(X, {"noise": X})
    context = FitContext(recognizer("toy-a"), faces()["public"], Rng(0), CPU, Progress())
    with pytest.raises(InputError, match=r"diff-privacy is guided by recognisers.*protocol\.protectors"):
        DEFENSES.get("diff-privacy")().fit(context)
    for settings in (
        {"strength": 0.0},
        {"conditioned_above": 1.5},
        {"energy": -1.0},
        {"guidance": -1.0},
        {"key_rounds": 0},
    ):
        with pytest.raises(InputError, match=str(next(iter(settings.values())))):
            defense(**settings)
