"""The uniform quantiser's error bound, its order and its ends."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.secrets import SecretSource
from hypothesis import given
from hypothesis import strategies as st
from systems import ToySystem

SOME = torch.arange(60)
DRAW = SecretSource.installation(0).draw(SOME)
DIM = 32


@given(st.integers(1, 8), st.floats(0.5, 4), st.lists(st.floats(-1, 1, width=32), min_size=DIM, max_size=DIM))
def test_no_coordinate_is_off_by_more_than_half_a_cell(bits: int, reach: float, values: list[float]) -> None:
    defense = ToySystem("quantise", {"bits": bits, "reach": reach}).defense
    z = torch.tensor([values])
    cells = defense.enroll(z, DRAW.take(slice(0, 1)))
    half = defense.reach / 2**bits
    inside = z.clamp(-defense.reach, defense.reach)
    assert float((defense.centres(cells) - inside).abs().max()) <= half * (1 + 1e-3)
    assert int(cells.max()) < 2**bits
    order = z[0].argsort(stable=True)
    assert bool((cells[0, order].int().diff() >= 0).all())


def test_one_bit_is_the_sign_and_the_score_the_hamming_distance() -> None:
    z = ToySystem("none").deployed_leak(SOME)
    defense = ToySystem("quantise").defense
    cells = defense.enroll(z, DRAW)
    assert cells.dtype is torch.uint8
    assert torch.equal(cells == 1, z >= 0)
    other = cells.roll(1, 0)
    assert torch.allclose(defense.compare(cells, other), 1 - 2 * (cells != other).float().mean(1), atol=1e-5)


def test_more_bits_come_nearer_to_the_plain_score() -> None:
    z = ToySystem("none").deployed_leak(SOME)
    plain, errors = F.cosine_similarity(z, z.roll(1, 0)), []
    for bits in (1, 2, 4, 8):
        defense = ToySystem("quantise", {"bits": bits, "reach": 4.0}).defense
        cells = defense.enroll(z, DRAW)
        errors.append(float((defense.compare(cells, cells.roll(1, 0)) - plain).abs().mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01


@pytest.mark.parametrize("settings", [{"bits": 0}, {"bits": 9}, {"reach": 0.0}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"bits must lie in 1\.\.8 and reach be positive"):
        ToySystem("quantise", settings)
