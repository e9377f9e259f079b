"""The training-free baselines on the wire against known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.obfuscators import gaussian
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.datasets.rendering import (
    LANDMARK_NAMES,
    PART_NAMES,
    FaceParameters,
    render,
    sample_identity,
    sample_nuisance,
)
from faceleak.defenses.obscuring import LandmarkMask
from scipy.ndimage import gaussian_filter
from systems import ToySystem

SOME = torch.arange(100)
GREY = torch.full((2, 3, 32, 32), 0.5)
TEMPLATE = torch.tensor([(38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)])


def _hidden(wire: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
    """(N, H, W) where the picture was changed; whatever is not grey must be as it was."""
    grey = (wire == 0.5).all(1)
    assert torch.equal(wire.movedim(1, -1)[~grey], plain.movedim(1, -1)[~grey])
    return grey


@pytest.mark.parametrize(("ratio", "side"), [(0.25, 8), (0.4, 13), (0.9, 29), (0.001, 1)])
def test_block_mask_hides_one_square_of_the_stated_size(ratio: float, side: int) -> None:
    wire = ToySystem("block-mask", {"ratio": ratio}).deployed_leak(SOME, Surface.WIRE)
    assert isinstance(wire, torch.Tensor)
    hidden = _hidden(wire, ToySystem("none").deployed_leak(SOME, Surface.WIRE))  # type: ignore[arg-type]
    assert torch.equal(hidden.flatten(1).sum(1), torch.full((100,), side * side))
    rows, columns = hidden.any(2), hidden.any(1)
    assert torch.equal(rows.sum(1), torch.full((100,), side))
    assert torch.equal(columns.sum(1), torch.full((100,), side))


def test_block_mask_reaches_every_place_alike() -> None:
    system = ToySystem("block-mask", {"ratio": 0.75})
    images = torch.zeros(4000, 3, 32, 32)
    wire = system.defense.leak(images, Surface.WIRE, system.installation.draw(torch.arange(4000)))
    assert isinstance(wire, torch.Tensor)
    hidden = wire[:, 0] > 0
    first = torch.stack([hidden.any(2).int().argmax(1), hidden.any(1).int().argmax(1)])  # 9 places on each axis
    for axis in first:
        share = torch.bincount(axis, minlength=9) / 4000
        assert len(share) == 9
        assert float((share - 1 / 9).abs().max()) < 0.025  # five standard deviations
    assert abs(float(torch.corrcoef(first.float())[0, 1])) < 0.08


def test_blocks_of_pictures_that_are_not_square() -> None:
    system = ToySystem("block-mask", {"ratio": 0.5})
    wire = system.defense.leak(torch.zeros(3, 3, 20, 40), Surface.WIRE, system.installation.draw(torch.arange(3)))
    assert isinstance(wire, torch.Tensor)
    assert torch.equal((wire[:, 0] > 0).flatten(1).sum(1), torch.full((3,), 10 * 20))


def _covered(parts: str, size: int, grow: float = 1.0) -> torch.Tensor:
    return LandmarkMask({"parts": parts, "grow": grow}).covered(size, size)


@pytest.mark.parametrize("size", [32, 64, 112, 160])
def test_landmark_boxes_lie_on_the_template(size: int) -> None:
    x, y = (((TEMPLATE + 0.5) * size / 112 - 0.5).round().long()).T
    eyes, mouth, both = (_covered(parts, size)[y, x].tolist() for parts in ("eyes", "mouth", "eyes+mouth"))
    assert eyes == [True, True, False, False, False]
    assert mouth == [False, False, False, True, True]
    assert both == [True, True, False, True, True], "the nose stays visible"


def test_landmark_boxes_have_their_area() -> None:
    assert int(_covered("eyes", 112).sum()) == 2 * 30 * 18
    assert int(_covered("mouth", 112).sum()) == 41 * 20
    assert torch.equal(_covered("eyes+mouth", 64), _covered("eyes", 64) | _covered("mouth", 64))
    assert abs(float(_covered("eyes+mouth", 64).float().mean()) - (2 * 30 * 18 + 41.2 * 20) / 112**2) < 0.01
    assert int(_covered("eyes", 112, 0.8).sum()) == 2 * 24 * 14
    assert bool(_covered("eyes+mouth", 64, 9.0).all()), "boxes beyond the border are cut, not wrapped"


def test_landmark_boxes_cover_synthetic_eyes_and_mouths() -> None:
    person = torch.arange(24)
    rows = FaceParameters(sample_identity(0, person), sample_nuisance(0, person, 0 * person, 0.8))
    seen = render(rows, 64)
    for parts, labels, words in (
        ("eyes", ("left_eye", "right_eye"), ("_eye",)),
        ("mouth", ("lips", "mouth_inside"), ("mouth_corner", "lip_", "cupid")),
    ):
        cover = _covered(parts, 64)
        belongs = torch.isin(seen.parts, torch.tensor([PART_NAMES.index(label) for label in labels]))
        assert int(belongs.sum()) > 300
        assert float((belongs & cover).sum() / belongs.sum()) > 0.98
        index = [i for i, name in enumerate(LANDMARK_NAMES) if any(word in name for word in words)]
        x, y = seen.landmarks[:, index].round().long().clamp(0, 63).unbind(-1)
        assert float(cover[y, x].float().mean()) > 0.96


def test_landmark_mask_changes_nothing_else() -> None:
    wire = ToySystem("landmark-mask").deployed_leak(SOME, Surface.WIRE)
    plain = ToySystem("none").deployed_leak(SOME, Surface.WIRE)
    hidden = _hidden(wire, plain)  # type: ignore[arg-type]
    assert torch.equal(hidden, _covered("eyes+mouth", 32).expand(100, -1, -1))


@pytest.mark.parametrize("sigma", [0.5, 2.0, 3.7, 20.0])
def test_low_pass_is_scipys_gaussian(sigma: float) -> None:
    images = Rng(0, "noise").uniform(torch.arange(2), (3, 24, 40))
    system = ToySystem("low-pass", {"sigma": sigma})
    wire = system.defense.leak(images, Surface.WIRE, system.installation.draw(torch.arange(2)))
    expected = gaussian_filter(images.double().numpy(), (0, 0, sigma, sigma), mode="nearest", truncate=4.0)
    assert isinstance(wire, torch.Tensor)
    assert float(np.abs(wire.numpy() - expected).max()) < 1e-6
    assert float(wire.std()) < float(images.std())


def test_low_pass_keeps_what_is_flat() -> None:
    assert torch.allclose(gaussian(32, 3.0).sum(1), torch.ones(32, dtype=torch.float64), atol=1e-12)
    for value in (0.0, 0.5, 1.0):
        system = ToySystem("low-pass")
        wire = system.defense.leak(
            torch.full_like(GREY, value), Surface.WIRE, system.installation.draw(torch.arange(2))
        )
        assert isinstance(wire, torch.Tensor)
        assert torch.allclose(wire, torch.full_like(GREY, value), atol=1e-6)


@pytest.mark.parametrize("name", ["block-mask", "landmark-mask"])
def test_a_grey_picture_stays_grey(name: str) -> None:
    system = ToySystem(name)
    wire = system.defense.leak(GREY, Surface.WIRE, system.installation.draw(torch.arange(2)))
    assert torch.equal(wire, GREY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("block-mask", {"ratio": 0.0}, r"ratio must be in \(0, 1\), got 0.0"),
        ("block-mask", {"ratio": 1.0}, r"ratio must be in \(0, 1\), got 1.0"),
        ("landmark-mask", {"grow": 0.0}, "grow must be positive, got 0.0"),
        ("low-pass", {"sigma": 0.0}, "sigma must be positive, got 0.0"),
    ],
)
def test_settings_out_of_range_are_refused(name: str, settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ToySystem(name, settings)
    with pytest.raises(InputError, match="has no setting"):
        DEFENSES.get(name)({"no_such": 1})


def test_only_the_boxes_that_exist_can_be_asked_for() -> None:
    with pytest.raises(InputError, match="parts"):
        LandmarkMask({"parts": "nose"})
