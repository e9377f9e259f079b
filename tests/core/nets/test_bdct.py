"""The frequency front end against scipy's DCT of an up-sampled picture, and its known facts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.bdct import (
    CHANNELS,
    PER_PLANE,
    bdct,
    dct_matrix,
    fast_bdct,
    from_ycbcr,
    inverse_bdct,
    least_coefficients,
    to_ycbcr,
)  # fmt: skip
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dctn
from systems import faces

SIDE = 24


def _pictures(n: int = 3, side: int = SIDE) -> torch.Tensor:
    return F.interpolate(faces()["public"].images(torch.arange(n)), (side, side), mode="bilinear").clamp(0, 1)


def _reference(x: torch.Tensor, align_corners: bool) -> torch.Tensor:
    """As the papers' code does it: up-sample, cut into blocks, transform each."""
    h, w = x.shape[-2:]
    up = F.interpolate(to_ycbcr(x), (8 * h, 8 * w), mode="bilinear", align_corners=align_corners)
    blocks = up.unfold(2, 8, 8).unfold(3, 8, 8).numpy()  # (N, 3, h, w, 8, 8)
    found = torch.from_numpy(dctn(blocks, axes=(4, 5), norm="ortho"))
    return found.permute(0, 1, 4, 5, 2, 3).reshape(len(x), CHANNELS, h, w)


@pytest.mark.parametrize("align_corners", [True, False])
def test_it_is_the_dct_of_the_upsampled_picture(align_corners: bool) -> None:
    x = torch.cat([_pictures(), torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))])
    wide = x[..., :16]
    for picture in (x, wide):
        assert torch.allclose(bdct(picture, align_corners), _reference(picture, align_corners), atol=2e-3)


def test_the_matrix_is_orthonormal_and_a_block_of_ones_has_dc_eight() -> None:
    assert torch.allclose(dct_matrix() @ dct_matrix().T, torch.eye(8, dtype=torch.float64), atol=1e-12)
    grey = bdct(torch.full((1, 3, 8, 8), 1.0))
    assert torch.allclose(grey[0, 0], torch.full((8, 8), 8 * 127.0), atol=1e-2)
    grey[0, 0] = 0
    assert float(grey.abs().max()) < 2e-2, "a constant picture has no other coefficient"


def test_colours_follow_jfif() -> None:
    """Known answers: JPEG's planes of pure red, less 128."""
    red = torch.tensor([1.0, 0, 0]).reshape(1, 3, 1, 1)
    assert torch.allclose(to_ycbcr(red).flatten(), torch.tensor([76.245 - 128, -43.03, 127.5]), atol=0.01)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12))
def test_colours_come_back(values: list[float]) -> None:
    x = torch.tensor(values).reshape(1, 3, 2, 2)
    assert torch.allclose(from_ycbcr(to_ycbcr(x)), x, atol=1e-5)


@pytest.mark.parametrize("align_corners", [True, False])
def test_the_round_trip_of_a_picture_exceeds_45_db(align_corners: bool) -> None:
    x = _pictures(8, 64)
    error = inverse_bdct(bdct(x, align_corners), align_corners) - x
    assert float(-10 * error.square().mean((1, 2, 3)).log10().max()) > 45


def test_coefficients_do_not_come_back() -> None:
    """What MinusFace rests on: most directions of the 192 channels are not seen by the decoder."""
    c = torch.randn(1, CHANNELS, 16, 16, generator=torch.Generator().manual_seed(0))
    picture = inverse_bdct(c)
    low, high = picture.amin(), picture.amax()
    again = bdct((picture - low) / (high - low)) * (high - low)
    error = (again[:, 1:PER_PLANE] - c[:, 1:PER_PLANE]).norm() / c[:, 1:PER_PLANE].norm()  # the offset is in DC only
    assert float(error) > 0.9


def test_fast_form_is_exact_with_nine_directions_and_fifteen_dead_channels() -> None:
    x = _pictures(4)
    fast = fast_bdct(x)
    assert torch.allclose(fast, bdct(x, align_corners=False), atol=2e-3)
    dead = [k for k in range(PER_PLANE) if k // 8 == 4 or k % 8 == 4]
    assert len(dead) == 15
    assert float(fast[:, dead].abs().max()) < 1e-3
    noise = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    luma = fast_bdct(noise)[:, :PER_PLANE].movedim(1, -1).flatten(0, -2).double()
    spectrum = torch.linalg.svdvals(luma)
    assert int((spectrum > 1e-4 * spectrum[0]).sum()) == 9


def test_wrong_range_and_wrong_channels_are_refused() -> None:
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        bdct(_pictures() * 2 - 1)
    with pytest.raises(InputError, match="192"):
        inverse_bdct(torch.zeros(1, 64, 8, 8))


@pytest.mark.parametrize("align_corners", [True, False])
def test_least_coefficients_decode_to_the_picture_and_no_others_are_smaller(align_corners: bool) -> None:
    x = _pictures()
    least = least_coefficients(x, align_corners)
    assert torch.allclose(inverse_bdct(least, align_corners), x, atol=1e-5)
    other = bdct(x, align_corners)
    blind = other - least_coefficients(inverse_bdct(other, align_corners), align_corners)
    assert torch.allclose(inverse_bdct(blind, align_corners), torch.full_like(x, 128 / 255), atol=1e-4)
    assert float((blind * least).sum().abs()) < 1e-4 * float(blind.norm() * least.norm()), "orthogonal"
    assert float(blind.norm()) > 0.5 * float(other.norm()), "most is not seen"
