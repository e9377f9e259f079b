"""The closed-form inverse of what linear clients send: against the dense solution, and what it makes of pictures."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.nets.bdct import CHANNELS, PER_PLANE, analysis, bdct, dct_matrix, from_ycbcr
from faceleak.bench.core.nets.inverse import FrequencyInverse
from systems import faces

SIDE = 16
# Nine channels of every plane, among them both gradients; and five of Y alone.
WAYS = (
    tuple(PER_PLANE * plane + k for plane in range(3) for k in (1, 5, 8, 12, 33, 40, 41, 50, 63)),
    (1, 8, 9, 2, 16) * 5 + (1, 8),
)


@pytest.fixture(scope="module")
def inverse() -> FrequencyInverse:
    made = FrequencyInverse(torch.tensor(WAYS), SIDE, noise=0.1)
    made.fit(faces()["public"].resized(torch.arange(100), SIDE))
    return made


def _channels(planes: torch.Tensor) -> torch.Tensor:
    """``bdct`` of planes of any range: linear, where the public one refuses what is no picture."""
    y = analysis(SIDE) @ planes @ analysis(SIDE).T
    return y.reshape(len(y), 3, SIDE, 8, SIDE, 8).permute(0, 1, 3, 5, 2, 4).reshape(len(y), CHANNELS, SIDE, SIDE)


def _dense(inverse: FrequencyInverse, wire: torch.Tensor, way: int) -> torch.Tensor:
    """The same estimate with the whole matrix, in double precision, plane by plane."""
    basis, found = torch.kron(dct_matrix(SIDE), dct_matrix(SIDE)), []
    for plane in range(3):
        places = [WAYS[way].index(k) for k in sorted(set(WAYS[way])) if k // PER_PLANE == plane]
        unit = torch.zeros(SIDE * SIDE, 3, SIDE, SIDE).double()
        unit[:, plane] = torch.eye(SIDE * SIDE).reshape(-1, SIDE, SIDE).double()
        a = _channels(unit)[:, [WAYS[way][place] for place in places]].flatten(1).T  # (K s s, s s)
        noise, power, mean = (x[plane].double().flatten() for x in (inverse.noise, inverse.power, inverse.mean))
        left = a.T @ a / noise + basis.T @ (basis / power[:, None])
        right = (wire[:, places].double().flatten(1) - a @ mean) @ a / noise
        found.append((mean + torch.linalg.solve(left, right.T).T).reshape(-1, SIDE, SIDE))
    return from_ycbcr(torch.stack(found, 1)).clamp(0, 1)


@pytest.mark.parametrize(("way", "left"), [(0, 0.5), (1, 1.0)], ids=["all planes", "no colour"])
def test_it_is_the_dense_solution(inverse: FrequencyInverse, way: int, left: float) -> None:
    images = faces()["victims"].resized(torch.arange(6), SIDE)
    wire = bdct(images)[:, WAYS[way]]
    found = inverse(wire, torch.full((6,), way))
    assert torch.allclose(found, _dense(inverse, wire, way).float(), atol=0.01)
    mean = from_ycbcr(inverse.mean[None]).clamp(0, 1)
    assert float((found - images).square().mean()) < left * float((mean - images).square().mean())


def test_every_picture_is_solved_by_itself_and_its_own_way(inverse: FrequencyInverse) -> None:
    images = faces()["victims"].resized(torch.arange(4), SIDE)
    channels, way = bdct(images), torch.tensor([0, 1, 1, 0])
    wire = torch.stack([one[list(WAYS[k])] for one, k in zip(channels, way.tolist(), strict=True)])
    together = inverse(wire, way)
    for i in range(4):
        assert torch.allclose(together[i : i + 1], inverse(wire[i : i + 1], way[i : i + 1]), atol=1e-4)


def test_a_set_without_colour_has_no_colour() -> None:
    """Nothing is divided by the power that grey pictures do not have, nor by what is left when all is solved."""
    grey = faces()["public"].resized(torch.arange(60), SIDE).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    made = FrequencyInverse(torch.arange(CHANNELS)[None], SIDE)
    made.fit(grey)
    found = made(bdct(grey[:4]))
    assert torch.allclose(found, grey[:4], atol=0.02)
    assert torch.isfinite(made(torch.zeros(1, CHANNELS, SIDE, SIDE))).all()
