"""PartialFace: the candidate ranks, drawn or as released, and which of them a person's pictures show in training."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Secret, Surface
from faceleak.defenses.partialface import KEPT, PartialFace, in_all_planes
from faceleak.defenses.rank_reader import BUDGET
from systems import ToySystem, faces

SOURCE = SecretSource(Rng(0, "key"), Rng(0, "sample"))
RELEASED = {"candidates": "released", "orders": 3, "groups_shown": 3}


def test_the_released_candidates_are_a_partition_and_three_orders() -> None:
    """As the members (u, v) of groups 0 and 5 read in the released code; whoever holds the key, they are the same."""
    defense = PartialFace(RELEASED)
    groups, orders = defense.candidates(SOURCE.draw(torch.arange(1)))
    assert groups.shape == (6, 9)
    assert torch.equal(groups.flatten().sort().values, torch.arange(54))
    members = torch.tensor(KEPT)[groups]
    first = [(0, 5), (4, 2), (4, 6), (2, 5), (5, 2), (6, 7), (7, 1), (6, 2), (7, 6)]
    last = [(5, 6), (6, 3), (7, 0), (5, 4), (3, 1), (4, 5), (3, 4), (3, 6), (0, 7)]
    assert [divmod(int(k), 8) for k in members[0]] == first
    assert [divmod(int(k), 8) for k in members[5]] == last
    assert torch.equal(orders[0], torch.arange(9)), "the identity is one of them"
    assert torch.equal(orders.sort(1).values, torch.arange(9).expand(3, 9))
    other = SecretSource(Rng(1, "another key"), Rng(0, "sample")).draw(torch.arange(1))
    assert torch.equal(groups, defense.candidates(other)[0])
    assert defense.secrets == {Secret.SAMPLE}, "nothing is left to guess, so nobody is asked to"
    drawn = PartialFace()
    assert drawn.secrets == {Secret.DEPLOYMENT, Secret.SAMPLE}
    assert not torch.equal(drawn.candidates(SOURCE.draw(torch.arange(1)))[0], drawn.candidates(other)[0])


def test_in_training_a_person_shows_three_groups_and_later_all_six() -> None:
    defense, public = PartialFace(RELEASED), faces()["public"]
    groups = defense.candidates(SOURCE.draw(torch.arange(1)))[0]
    of_channel = {KEPT[int(place)]: g for g, row in enumerate(groups) for place in row}
    index = torch.arange(len(public))
    seen: dict[int, set[int]] = {}
    for presentation in range(40):
        ranks = defense.ranks(defense.training_draw(public, index, presentation, SOURCE))
        for label, rank in zip(public.labels.tolist(), ranks[:, 0].tolist(), strict=True):
            seen.setdefault(label, set()).add(of_channel[rank])
    triples = list(combinations(range(6), 3))
    assert len(triples) == 20
    assert all(groups == set(triples[label % 20]) for label, groups in seen.items())
    later = defense.ranks(SOURCE.draw(public.ids))
    assert {of_channel[int(k)] for k in later[:, 0]} == set(range(6)), "no label at test time"
    part = defense.training_draw(public, index, 0, SOURCE).take(slice(3, 9))
    assert torch.equal(defense.ranks(part), defense.ranks(defense.training_draw(public, index[3:9], 0, SOURCE)))


def test_as_released_it_trains() -> None:
    system = ToySystem("partialface", RELEASED | {"server_steps": 2})
    assert torch.isfinite(system.deployed_leak(torch.arange(4))).all()  # type: ignore[arg-type]


def test_a_server_with_the_inverse_tells_ranks_and_sees_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of what travels changes; what the server makes of it is nearer the picture than the mean face is."""
    monkeypatch.setattr("faceleak.defenses.rank_reader.BUDGET", dataclasses.replace(BUDGET, steps=150))
    plain, system = (ToySystem("partialface", {"server_steps": 2, **front}) for front in ({}, {"front": "inverse"}))
    defense, index = system.defense, torch.arange(60)
    wire = system.deployed_leak(index, Surface.WIRE, "victims")
    assert torch.equal(wire, plain.deployed_leak(index, Surface.WIRE, "victims"))  # type: ignore[arg-type]
    reader = defense.server.inverse  # type: ignore[union-attr]
    draw = system.installation.draw(system.victims.ids[index])
    sent = in_all_planes(defense.ranks(draw))  # type: ignore[operator]
    assert float((reader.inverse.channels[reader.ranks(wire)] == sent).all(1).float().mean()) > 0.9  # type: ignore[union-attr, operator]
    images = system.victims.resized(index, 32)
    mean = system.public.resized(torch.arange(100), 32).mean(0)
    assert float((reader(wire) - images).square().mean()) < float((mean - images).square().mean())  # type: ignore[operator]
    assert set(defense.trainings()) == {"server", "ranks"}
    assert defense.properties()["recognizer_init"] == "distill, inverse", "which the board shows"
    assert plain.defense.properties()["recognizer_init"] == "distill"


@pytest.mark.parametrize(
    ("bad", "why"),
    [({"groups": 7}, "groups must"), ({"groups_shown": 7}, "groups must"), (RELEASED | {"orders": 4}, "3 orders")],
)
def test_what_cannot_be_is_refused(bad: dict[str, object], why: str) -> None:
    with pytest.raises(InputError, match=why):
        ToySystem("partialface", bad)
