"""PartialFace's claim that the rank is secret, tried on rendered faces: `make test-slow`, or this file with -s."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from faceleak.bench.core.context import AttackContext, FitContext
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import ATTACKS, DATASETS, DEFENSES
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.target import Target
from faceleak.bench.metrics.quality import psnr
from systems import CPU, recognizer

SIDE = 64


@functools.cache
def people() -> tuple[FaceSet, FaceSet]:
    """Public people and others, rendered."""
    data = DATASETS.get("synthetic")({"size": SIDE, "identities": [600, 60], "images": [4, 4]})
    table = data._index()
    pixels = torch.from_numpy(np.stack(list(data._read(table)))).float() / 255
    sets = []
    for group in ("0", "1"):
        rows = np.flatnonzero(table["group"].to_numpy() == group)
        mine = pixels[torch.from_numpy(rows.copy())]
        part = table.iloc[rows]
        read = functools.partial(lambda index, mine: mine[torch.as_tensor(index)], mine=mine)
        sets.append(FaceSet(group, part["sample"].tolist(), part["identity"].tolist(), read, group))
    return sets[0], sets[1]


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "orders"), [(6, 6), (6, 3)], ids=["paper", "released"])
def test_the_rank_is_read_off_what_is_sent(groups: int, orders: int) -> None:
    """The client of PartialFace learns nothing, so no server is trained here."""
    public, victims = people()
    defense = DEFENSES.get("partialface")({"groups": groups, "orders": orders, "side": SIDE})
    object.__setattr__(defense, "recognizer", recognizer("toy-a"))
    fitting = FitContext(recognizer("toy-a"), None, Rng(0), CPU, Progress())
    defense._build_client(fitting)
    installation, index = SecretSource.installation(0), torch.arange(len(victims))
    sent = defense.leak(victims.images(index), Surface.WIRE, installation.draw(victims.ids))
    ranks = torch.unique(defense.ranks(installation.draw(victims.ids)), dim=0, return_inverse=True)[1]
    truth = victims.resized(index, SIDE)
    reached = {}
    for name in ("linear-inverse", "secret-fingerprint"):
        threat = ATTACKS.get(name).threat.with_defense("K1")  # type: ignore[arg-type]
        target = Target(defense, defense, Surface.WIRE, threat, installation, 0, public, lambda *_: torch.empty(0))
        context = AttackContext(target, public, Rng(0, "attack"), CPU, Progress(), SIDE)
        settings = {"groups": groups * orders} if name == "secret-fingerprint" else {}
        attack = ATTACKS.get(name)(settings).fit(context)
        images = attack.recover(sent, victims.ids, context).images
        assert images is not None
        reached[name] = float(psnr(images, truth).mean())
    found = attack.groups_of(sent)
    right = sum(int(torch.bincount(ranks[found == group]).max()) for group in found.unique()) / len(ranks)
    mean = public.resized(torch.arange(len(public)), SIDE).mean(0)
    reached["mean face"] = float(psnr(mean.expand_as(truth), truth).mean())
    reached["grey"] = float(psnr(torch.full_like(truth, 0.5), truth).mean())
    print(f"{groups} groups, {orders} orders: {right:.1%} of ranks right, PSNR {reached}")
    assert right > 0.8, "chance is one in the number of ranks"
