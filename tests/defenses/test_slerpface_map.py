"""SlerpFace's released head on a recogniser's last map."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.group_head import cells_of, joined, parted
from systems import ToySystem

SOME = torch.arange(12)


@pytest.fixture(scope="module")
def system() -> ToySystem:
    return ToySystem("slerpface-map", {"steps": 40, "margin": 0.0}, recognizer="toy-split")


def test_there_is_a_group_for_each_cell(system: ToySystem) -> None:
    x = system.public.images(SOME)
    maps = system.defense._maps(x)
    z = system.defense.embed(x)
    assert system.defense.groups == maps.shape[-2] * maps.shape[-1] <= 49
    assert z.shape == (12, 16 * system.defense.groups)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(12))


def test_what_is_joined_comes_apart_again() -> None:
    groups = torch.nn.functional.normalize(torch.randn(5, 9, 16, generator=torch.Generator().manual_seed(0)), dim=2)
    attention = torch.rand(5, 9, generator=torch.Generator().manual_seed(1)).softmax(1)
    again, weights = parted(joined(groups, attention), 16)
    torch.testing.assert_close(again, groups)
    torch.testing.assert_close(weights, attention)


def test_a_mirror_image_has_the_same_template(system: ToySystem) -> None:
    x = system.public.images(SOME)
    torch.testing.assert_close(system.defense.embed(x), system.defense.embed(x.flip(-1)))


def test_the_head_learns_who_it_is(system: ToySystem) -> None:
    """On faces that it did not learn from: two pictures of one person are more alike than of two."""
    people = system.victims.labels
    same = next(torch.nonzero(people == who)[:2, 0] for who in people.unique() if int((people == who).sum()) > 1)
    other = torch.nonzero(people != people[same[0]])[:20, 0]
    z = system.defense.embed(system.victims.images(torch.cat([same, other])))
    assert float(z[0] @ z[1]) > float((z[2:] @ z[0]).mean()) + 0.05


def test_large_maps_are_averaged_to_the_released_cells() -> None:
    maps = torch.arange(2.0 * 3 * 14 * 14).reshape(2, 3, 14, 14)
    assert cells_of(maps, 7).shape == (2, 3, 7, 7)
    torch.testing.assert_close(cells_of(maps, 7)[0, 0, 0, 0], maps[0, 0, :2, :2].mean())
    assert cells_of(maps[..., :4, :4], 7).shape[-1] == 4


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"alpha": 0.0}, {"group": 1}, {"dropped_low": 16}):
        with pytest.raises(InputError, match="slerpface-map"):
            ToySystem("slerpface-map", wrong, recognizer="toy-split")
