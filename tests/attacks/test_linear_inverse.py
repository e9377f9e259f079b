"""Closed-form inverses of the wire, and reading the drawn transformation off what was sent."""

from __future__ import annotations

import torch
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.metrics.quality import psnr
from systems import ToySystem, small

VICTIMS = torch.arange(0, 90, 3)


def recovered(name: str, system: ToySystem, settings: dict | None = None):  # type: ignore[no-untyped-def, type-arg]
    context = system.context(ATTACKS.get(name).threat.with_defense("K1"), Surface.WIRE)  # type: ignore[arg-type]
    attack = ATTACKS.get(name)(small(name) | (settings or {})).fit(context)
    leak = system.deployed_leak(VICTIMS, Surface.WIRE, "victims")
    found = attack.recover(leak, VICTIMS, context).images
    truth = system.victims.resized(VICTIMS, context.resolution)
    return attack, leak, float(psnr(found, truth).mean())


def test_what_is_sent_in_the_clear_comes_back() -> None:
    assert recovered("linear-inverse", ToySystem("none"), {"neighbourhood": 1, "penalty": 1e-8})[2] > 40


def test_a_defence_of_few_transformations_falls_to_its_fingerprint() -> None:
    system = ToySystem("partialface", {"groups": 2, "orders": 2})
    attack, leak, _ = recovered("secret-fingerprint", system, {"groups": 4, "neighbourhood": 1})
    drawn = system.defense.ranks(system.installation.draw(system.victims.ids[VICTIMS]))  # (N, 9)
    truth = torch.unique(drawn, dim=0, return_inverse=True)[1]
    found = attack.groups_of(leak)
    most = sum(int(torch.bincount(truth[found == group]).max()) for group in found.unique())
    assert most / len(truth) > 0.9, "each fingerprint group holds one rank"
