"""Heat maps: where a point is, is where it is found again; the shared network learns on what the data set knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from faceleak.bench.core.anatomy import Anatomy
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.nets.heatmaps import HeatMapNet, centres, place_loss, spots, usual
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.seeding import Rng
from faceleak.bench.measure.public_networks import PublicContext
from faceleak.bench.metrics.geometry import landmark_error
from faceleak.bench.zoo.landmarks import LandmarkSettings, landmark_network

CPU = torch.device("cpu")
SMALL = LandmarkSettings(
    landmark_width=8, landmark_levels=1, landmark_pictures=150, landmark_steps=80, landmark_batch=16, landmark_lr=5e-3
)


def test_a_spot_s_middle_is_its_point() -> None:
    points = 0.2 + 0.6 * torch.rand(5, 3, 2, generator=torch.Generator().manual_seed(0))
    maps = spots(points, 32)
    assert maps.sum((2, 3)).allclose(torch.ones(5, 3))
    assert centres(maps.log()).allclose(points, atol=1e-3)
    low_left = spots(torch.tensor([[[0.0, 1.0]]]), 16)[0, 0]
    assert (low_left == low_left.max()).nonzero().tolist() == [[15, 0]], "x runs along the columns, y down the rows"


def test_the_loss_is_least_at_the_truth() -> None:
    truth, wrong = torch.tensor([[[0.3, 0.6]]]), torch.tensor([[[0.5, 0.6]]])
    right = spots(truth, 16).log()
    entropy = -(right.exp() * right).sum()
    assert place_loss(right, truth).item() == pytest.approx(entropy.item(), abs=1e-4)
    assert place_loss(right, wrong) > place_loss(right, truth)


def test_the_network_begins_where_the_points_lie_on_average() -> None:
    points = torch.tensor([[0.3, 0.6]]) + 0.1 * Rng(0, "about").normal(torch.arange(300), (1, 2))
    net = HeatMapNet(1, 32, width=8, levels=1)
    net.begin_at(usual(points, 16))
    assert net.landmarks(torch.rand(2, 3, 32, 32)).allclose(points.mean(0).expand(2, 1, 2), atol=0.03)


def dots(known: bool = True) -> FaceSet:
    """Pictures of 32 pixels with a red and a green dot, which are their landmarks."""
    middles = torch.tensor([[0.3, 0.4], [0.7, 0.55]])
    points = (middles + 0.08 * Rng(0, "dots").normal(torch.arange(200), (2, 2))).clamp(0.1, 0.9)
    maps = spots(points, 32, sigma=1.5)
    pixels = torch.cat([maps / maps.amax((2, 3), keepdim=True), torch.zeros(200, 1, 32, 32)], dim=1)
    names = [f"p{i}" for i in range(200)]

    def anatomy(index: np.ndarray) -> Anatomy | None:
        return Anatomy(points[index], ("red", "green")) if known else None

    return FaceSet("dots", names, names, lambda index: pixels[index], "dots", anatomy=anatomy)


def network(faces: FaceSet, settings: LandmarkSettings = SMALL, resolution: int = 32, keep: Any = None) -> Any:
    keep = keep or (lambda name, spec, make: make())
    return landmark_network(faces, PublicContext(Rng(3, "whoever asks"), CPU, Progress(), resolution, keep), settings)


def test_the_network_finds_what_it_was_shown() -> None:
    faces, kept = dots(), {}

    def keep(name: str, spec: Any, make: Any) -> Any:
        assert spec["landmark_steps"] == SMALL.landmark_steps
        kept.setdefault(name, make())
        return kept[name]

    net = network(faces, keep=keep)
    index = torch.arange(150, 200)
    truth = faces.anatomy(index).landmarks
    found = net.landmarks(faces.images(index))
    usually = truth.mean(0).expand_as(truth)
    assert landmark_error(found, truth).mean() < 0.5 * landmark_error(usually, truth).mean()
    larger = torch.nn.functional.interpolate(faces.images(index), (64, 64), mode="bilinear")
    assert landmark_error(net.landmarks(larger), found).mean() < 0.1, "pictures of any side"
    assert net.landmarks(faces.images(index[:1])).allclose(found[:1], atol=1e-5), "each picture on its own"
    assert network(faces, keep=keep).landmarks(faces.images(index)).equal(found), "made once, then read"
    assert set(kept) == {"landmarks"}


def test_what_cannot_be_learnt_is_refused() -> None:
    with pytest.raises(InputError, match="split 'dots' knows none"):
        network(dots(known=False))
    with pytest.raises(InputError, match="halves the side 2 times, which 30 pixels do not allow"):
        network(dots(), resolution=30)
