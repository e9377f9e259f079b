"""What all wire defences share: a server that learns from wires made once, and what refuses to."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.surfaces import Surface
from systems import ToySystem

SOME = torch.arange(12)


@pytest.mark.parametrize("name", ["partialface", "duetface"])
def test_a_server_that_learns_from_a_pool_recognises(name: str) -> None:
    """Also where what travels is several maps."""
    system = ToySystem(name, {"pool": 2, "server_steps": 40})
    images, ids = system.victims.images(SOME), system.victims.ids[SOME]
    leak = system.defense.leak(images, Surface.WIRE, system.installation.draw(ids, 5))
    z = system.defense.embed(leak)
    truth = system.recognizer.embed(images)
    likeness = z @ truth.T
    assert float(likeness.diagonal().mean() - likeness.mean()) > 0.1


def test_a_client_that_learns_with_its_server_cannot_be_pooled() -> None:
    with pytest.raises(InputError, match="cannot be pooled"):
        ToySystem("dctdp", {"pool": 1})
