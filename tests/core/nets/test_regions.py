"""Where the face is: the ellipse of aligned faces, and the hull of landmarks."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from faceleak.bench.core.nets.regions import ellipse_region, hull_region


def test_the_region_is_the_ellipse() -> None:
    whole = ellipse_region(64)[0, 0]
    assert abs(float(whole.mean()) - torch.pi * 0.32 * 0.36) < 1e-3
    assert torch.allclose(F.avg_pool2d(whole[None], 8)[0], ellipse_region(8)[0, 0], atol=0.05)
    assert float(whole[40, 32]) == 1, "the tip of the nose"
    assert float(whole[[0, 0, -1, -1], [0, -1, 0, -1]].max()) == 0


def test_a_hull_is_what_lies_between_its_points() -> None:
    """A square whatever stands inside it; a circle's area; one point has none; and no sample sees another."""
    square = torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75], [0.5, 0.4]])
    turns = torch.arange(200) / 200 * 2 * math.pi
    circle = 0.5 + 0.3 * torch.stack([turns.cos(), turns.sin()], 1)
    points = torch.stack([square.repeat(40, 1), circle, torch.full((200, 2), 0.5)])
    found = hull_region(points, 64)
    assert found.shape == (3, 1, 64, 64)
    assert torch.equal(found[0, 0], F.pad(torch.ones(32, 32), (16,) * 4))
    assert abs(float(found[1].mean()) - math.pi * 0.3**2) < 2e-3
    assert float(found[2].sum()) == 0
    assert torch.equal(hull_region(points[1:2], 64), found[1:2])
