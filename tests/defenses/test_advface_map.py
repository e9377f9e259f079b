"""AdvFace on a feature map: the cut, the ball, and who is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.surfaces import Surface
from systems import ToySystem
from torch import Tensor

SOME = torch.arange(40)


def protected(**settings: Any) -> tuple[Any, Tensor, Tensor]:
    """The defence, and (40, C, h, w) the clean and the sent maps."""
    system = ToySystem("advface-map", settings)
    clean = system.defense.features(system.public.images(SOME))  # type: ignore[operator]
    sent = system.deployed_leak(SOME, Surface.WIRE)
    assert isinstance(sent, Tensor)
    return system.defense, clean, sent


def test_without_noise_the_two_parts_are_the_recogniser() -> None:
    system = ToySystem("advface-map")
    for blocks in (0, 1, 3):
        defense = ToySystem("advface-map", {"blocks": blocks, "shadow_steps": 1}).defense
        images = system.public.images(SOME)
        z = defense.embed(defense.features(images))  # type: ignore[operator]
        assert torch.allclose(z, system.recognizer(images), atol=1e-5)


@pytest.mark.parametrize("mode", ["direct", "cycle"])
def test_the_noise_stays_in_its_ball_and_moves_the_shadow_more_than_random_signs(mode: str) -> None:
    defense, clean, sent = protected(mode=mode, eps=0.4)
    moved = ((sent - clean) * defense.standardize.scale).abs()
    assert float(moved.max()) <= 0.4 + 1e-3
    signs = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)).sign()
    objective = defense.increased()(defense.standardize(clean))
    found, random = (
        objective(defense.standardize(clean + noise)) for noise in (sent - clean, (sent - clean).abs() * signs)
    )
    assert float((found > random).float().mean()) > 0.9


def test_more_eps_is_less_likeness_of_the_embedding() -> None:
    cosines = []
    for eps in (0.1, 0.5, 1.5):
        defense, clean, sent = protected(eps=eps)
        cosines.append(float(F.cosine_similarity(defense.embed(clean), defense.embed(sent)).mean()))
    assert 1.0 > cosines[0] > cosines[1] > cosines[2]


def test_what_cannot_be_cut_or_built_is_refused() -> None:
    with pytest.raises(InputError, match="cuts a small-resnet between its stages, and ToyA is none"):
        ToySystem("advface-map", recognizer="toy-a")
    with pytest.raises(InputError, match=r"blocks must lie in 0\.\.3"):
        ToySystem("advface-map", {"blocks": 4})
    with pytest.raises(InputError, match="eps must be positive"):
        ToySystem("advface-map", {"eps": 0.0})
    with pytest.raises(InputError, match="expects a map of shape"):
        ToySystem("advface-map").defense.embed(torch.zeros(2, 3, 16, 16))
