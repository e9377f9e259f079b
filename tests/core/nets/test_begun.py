"""A network that begins at a linear picture, and gives up what did held-out people harm."""

from __future__ import annotations

import torch
from faceleak.bench.core.nets.begun import Begun
from faceleak.bench.core.nets.cascade import CascadeDecoder
from faceleak.bench.core.nets.decoder import UpDecoder
from faceleak.bench.core.nets.nbnet import NbNet
from torch import nn


def begun(net: nn.Module) -> tuple[Begun, torch.Tensor]:
    made = Begun(6, 32, net).eval()
    made.begin(torch.randn(6, 3072, generator=torch.Generator().manual_seed(1)) / 50, torch.full((3072,), 0.5))
    return made, torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


def test_before_any_training_it_is_its_start() -> None:
    for net in (UpDecoder(6, 32, 16), CascadeDecoder(6, 32, 16), NbNet(6, 4, (8, 8, 8, 8), (1, 1, 1, 1), 4)):
        made, z = begun(net)
        assert torch.equal(made(z), made.start(z))


def test_as_much_is_kept_as_does_no_harm() -> None:
    made, z = begun(UpDecoder(6, 32, 16))
    nn.init.constant_(made.net.head.bias, 0.4)  # what was learnt: everything brighter by 0.4

    def alike(y: torch.Tensor) -> torch.Tensor:
        return y.flatten(1).mean(1)

    start = made.start(z)
    for wanted, kept in ((start + 0.4, 1.0), (start + 0.08, 0.25), (start - 0.1, 0.0)):
        assert made.settle(z, wanted, alike) == kept, "by pixels"
        assert float(made.share) == kept
    # The whole of it is off by 0.2017 where nothing is off by 0.198: a price of 1.9 %.
    assert made.settle(z, start + 0.198, alike) == 1.0, "a gain in likeness may cost a little"
    assert made.settle(z, start + 0.1499, lambda y: torch.zeros(len(y))) == 0.5, "for no gain nothing is paid"
    assert made.settle(z, start + 0.4, lambda y: -alike(y)) == 0.0, "by likeness"
    assert torch.equal(made(z), start)
