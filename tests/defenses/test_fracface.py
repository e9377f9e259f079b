"""FracFace: what travels is a gather by a keyed map, and the map is the stated one."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.bdct import bdct
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.surfaces import Surface
from faceleak.defenses.fracface import FracFace, index_map, snake
from faceleak.defenses.partialface import DROPPED, KEPT
from systems import ToySystem, faces


def _key(key: int = 0):  # type: ignore[no-untyped-def]
    return SecretSource.installation(0, key).deployment.child("fracface")


def test_the_snake_reads_every_second_row_backwards() -> None:
    order = snake()
    assert order[:9].tolist() == list(KEPT[:9])
    assert order[9:18].tolist() == list(KEPT[9:18])[::-1]
    assert len(set(order.tolist())) == 81
    assert not {k % 64 for k in order.tolist()} & set(DROPPED)
    assert (order < 64).sum() == 54, "all of Y"
    assert ((order >= 64) & (order < 128)).sum() == 27, "half of Cb, dropped channels counted per plane"


def test_the_map_follows_its_recursion() -> None:
    """Against the definition, cell by cell."""
    base, one, two = (index_map(_key(), depth) for depth in range(3))
    for i in range(9):
        for j in range(9):
            assert base[i, j] == base[i % 3, j % 3], "L0 repeats over the cells"
            coarse, fine = (one - base) % 81, (two - one) % 81
            assert coarse[i, j] == coarse[3 * (i // 3), 3 * (j // 3)], "constant on a cell"
            assert coarse[i, j] < 9
            assert fine[i, j] == 9 * coarse[3 * (i % 3), 3 * (j % 3)], "the same kernel, one level down"


def test_the_map_is_keyed_and_not_injective() -> None:
    maps = [index_map(_key(k), 2) for k in range(30)]
    distinct = torch.tensor([len(m.unique()) for m in maps]).float()
    assert all(m.min() >= 0 and m.max() < 81 for m in maps)
    assert len({tuple(m.flatten().tolist()) for m in maps}) == 30
    assert float(distinct.max()) < 81, "some channels repeat, others never travel"
    assert 25 < float(distinct.mean()) < 65
    assert float((maps[0] - index_map(_key(), 1)).abs().max()) > 0, "the second level does not vanish modulo 81"


def test_what_travels_is_a_gather_of_the_channels() -> None:
    x = faces()["public"].images(torch.arange(3))
    draw = SecretSource.installation(0).draw(torch.arange(3))
    defense = FracFace({"side": 32})
    sent, source = defense.encode(x, draw), bdct(x)
    for place, channel in enumerate(defense.channels_sent(draw).tolist()):
        assert torch.equal(sent[:, place], source[:, channel])
    assert sent.shape == (3, 81, 32, 32)
    again = defense.encode(x, SecretSource.installation(0).draw(torch.arange(3), 1))
    assert torch.equal(sent, again), "the key is the only secret"


def test_another_key_sends_other_channels_and_the_server_refuses_other_shapes() -> None:
    a, b = ToySystem("fracface", key=0), ToySystem("fracface", key=1)
    some = torch.arange(4)
    assert not torch.equal(a.deployed_leak(some, Surface.WIRE), b.deployed_leak(some, Surface.WIRE))
    with pytest.raises(InputError, match="expects a wire of shape"):
        a.defense.embed(torch.zeros(2, 27, 32, 32))
    with pytest.raises(InputError, match="depth must be 0, 1 or 2"):
        ToySystem("fracface", {"depth": 3})
