"""The shared latent diffusion: what is made once, what depends on what, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.latent_diffusion import LatentDiffusion
from faceleak.bench.core.nets.multiscale import Stages
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.seeding import Rng
from faceleak.bench.measure.public_networks import PublicContext
from faceleak.bench.zoo.latent_diffusion import LatentDiffusionSettings, latent_diffusion
from systems import CPU, SMALL_DIFFUSION, faces, recognizer
from torch import Tensor


class Shelf:
    """Keeps weights as the store does, and counts what had to be made."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.kept: dict[str, dict[str, Tensor]] = {}

    def __call__(self, name: str, spec: Any, make: Any) -> dict[str, Tensor]:
        key = f"{name} {sorted(spec.items())}"
        if key not in self.kept:
            self.made.append(name)
            self.kept[key] = {label: value.detach().clone() for label, value in make().items()}
        return self.kept[key]


def model(shelf: Shelf, alias: str = "toy-b", **settings: Any) -> LatentDiffusion:
    context = PublicContext(Rng(0, "anything"), CPU, Progress(), 32, shelf)
    stages = Stages(recognizer(alias)) if alias else None
    return latent_diffusion(faces()["public"], context, LatentDiffusionSettings(**SMALL_DIFFUSION | settings), stages)


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    return Shelf()


def test_it_draws_and_denoises_better_than_a_guess(shelf: Shelf) -> None:
    net, index = model(shelf), torch.arange(64)
    x = faces()["victims"].resized(index, 32)
    z = net.encode(x)
    mean = faces()["public"].resized(torch.arange(150), 32).mean(0)
    assert float((net.decode(z) - x).square().mean()) < 0.3 * float((x - mean).square().mean())
    process, noise = net.process(1), Rng(0, "noise").normal(index, net.shape)
    t = torch.full((64,), 600)
    c = net.embeddings(Stages(recognizer("toy-b"))(x), 64)
    said = net.steered(c)(process.noised(z, noise, t), t)
    assert float((said - noise).square().mean()) < 0.8, "1 is what silence scores"
    assert not any(p.requires_grad for p in net.parameters())
    assert not net.training


def test_parts_are_made_once_and_the_autoencoder_serves_every_recogniser(shelf: Shelf) -> None:
    first = model(shelf)
    made = len(shelf.made)
    again = model(shelf)
    assert len(shelf.made) == made
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    model(shelf, "toy-a", denoiser_steps=1)
    model(shelf, "", denoiser_steps=1)
    assert shelf.made.count("latent autoencoder") == 1
    assert shelf.made.count("latent denoiser") == 3


@pytest.mark.parametrize(
    "settings", [{"dropped": 0.0}, {"dropped": 1.0}, {"coder_jitter": -0.1}, {"denoiser_levels": -7}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match=str(next(iter(settings.values())))):
        model(Shelf(), **settings)
