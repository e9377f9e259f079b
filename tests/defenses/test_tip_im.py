"""TIP-IM on toy faces, and its naturalness term."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.seeding import Rng
from faceleak.defenses.tip_im import BANDWIDTHS, mmd
from systems import CPU, ToySystem, faces, recognizer
from torch import Tensor

SOME = torch.arange(6)


def masked(**settings: object) -> tuple[Tensor, Tensor]:
    """(originals, published) of a few victims."""
    system = ToySystem("tip-im", {"steps": 12, "targets": 3, **settings})
    images = system.victims.images(SOME)
    return images, system.defense.publish(images, system.installation.draw(system.victims.ids[SOME]))


def cosine(a: Tensor, b: Tensor, kind: str) -> Tensor:
    return F.cosine_similarity(recognizer(kind).embed(a), recognizer(kind).embed(b))


def test_the_mask_stays_within_its_bound_and_turns_the_surrogate_away() -> None:
    images, made = masked()
    assert float((made - images).abs().max()) <= 12 / 255 + 1e-6
    noise = (images + 12 / 255 * torch.sign(Rng(0, "noise").normal(SOME, (3, 32, 32)))).clamp(0, 1)
    away, noisy = cosine(made, images, "toy-b"), cosine(noise, images, "toy-b")
    assert bool((away < noisy - 0.1).all()), (away, noisy)


def test_a_larger_bound_turns_it_further() -> None:
    images, made = masked()
    _, little = masked(epsilon=2 / 255)
    assert float((little - images).abs().max()) <= 2 / 255 + 1e-6
    assert float(cosine(made, images, "toy-b").mean()) < float(cosine(little, images, "toy-b").mean())


def test_naturalness_costs_strength() -> None:
    images, made = masked()
    _, natural = masked(gamma=50.0)
    assert float((natural - images).square().mean()) < float((made - images).square().mean())


def test_mmd_of_single_pictures_by_hand() -> None:
    x = torch.full((1, 3, 2, 2), 0.5)
    assert float(mmd(x, x)) == pytest.approx(0, abs=1e-9)
    y = x + 1 / 255  # 12 values, each one 8-bit step away
    expected = 2 * sum(1 - torch.exp(torch.tensor(-12 / (2 * width), dtype=torch.float64)) for width in BANDWIDTHS)
    assert float(mmd(x, y)) == pytest.approx(float(expected), rel=1e-4)


def test_without_a_recogniser_of_ones_own_it_says_what_to_give() -> None:
    context = FitContext(recognizer("toy-a"), faces()["public"], Rng(0), CPU, Progress())
    with pytest.raises(InputError, match=r"tip-im .* protocol\.protectors"):
        DEFENSES.get("tip-im")().fit(context)
