"""Obfuscators against references."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.obfuscators import median_filtered, oval, pixelated, with_mean_face
from faceleak.bench.core.seeding import Rng
from scipy.ndimage import median_filter

IMAGES = Rng(0, "noise").uniform(torch.arange(2), (3, 20, 28))


@pytest.mark.parametrize("window", [1, 3, 7])
def test_median_is_scipys(window: int) -> None:
    expected = median_filter(IMAGES.numpy(), (1, 1, window, window), mode="nearest")
    assert torch.equal(median_filtered(IMAGES, window), torch.from_numpy(expected))


def test_pixels_of_a_block_are_its_mean() -> None:
    squares = pixelated(IMAGES, 4)
    assert torch.allclose(squares[:, :, 5:10, 7:14], IMAGES[:, :, 5:10, 7:14].mean((2, 3), keepdim=True), atol=1e-6)


def test_the_mean_face_replaces_the_face_and_nothing_else() -> None:
    mean = torch.full((3, 10, 10), 0.25)
    swapped, inside = with_mean_face(IMAGES, mean), oval(20, 28)
    assert torch.allclose(swapped[:, :, inside == 1], torch.tensor(0.25))
    assert torch.equal(swapped[:, :, inside == 0], IMAGES[:, :, inside == 0])
    assert 0.3 < float(inside.mean()) < 0.6


def test_the_oval_holds_the_points_of_the_aligned_crop() -> None:
    """ArcFace's template: eyes, tip of the nose, corners of the mouth."""
    points = torch.tensor([(38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)])
    x, y = points.round().long().T
    assert bool((oval(112, 112)[y, x] == 1).all())
    assert not oval(112, 112)[0].any(), "hair stays"
