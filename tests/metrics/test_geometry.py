"""Landmark error: known answers and refusals."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.metrics.geometry import landmark_error


def test_known_answers() -> None:
    truth = torch.tensor([[[0.0, 0.0], [4.0, 0.0], [2.0, 3.0]]])  # eyes four apart
    assert landmark_error(truth, truth).tolist() == [0.0]
    one = truth.clone()
    one[0, 2] += torch.tensor([3.0, 4.0])  # one of three points five away
    assert landmark_error(one, truth)[0].item() == pytest.approx(5 / 3 / 4)
    moved = torch.cat([truth + torch.tensor([0.0, 1.0]), 10 * truth])
    assert landmark_error(moved, torch.cat([truth, truth])).tolist()[0] == pytest.approx(0.25)
    assert torch.allclose(landmark_error(10 * moved, 10 * truth.expand(2, -1, -1)),
                          landmark_error(moved, truth.expand(2, -1, -1))), "the unit does not matter"  # fmt: skip


def test_what_is_no_face_is_refused() -> None:
    with pytest.raises(InputError, match=r"got \(1, 3, 2\) and \(2, 3, 2\)"):
        landmark_error(torch.zeros(1, 3, 2), torch.zeros(2, 3, 2))
    with pytest.raises(InputError, match="two equal"):
        landmark_error(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2))
    blind = torch.rand(3, 5, 2)
    blind[1, 0] = blind[1, 1]
    with pytest.raises(InputError, match="eyes of picture 1 lie on one another"):
        landmark_error(blind, blind)
