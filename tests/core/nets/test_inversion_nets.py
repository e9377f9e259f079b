"""Sizes of the published inversion networks as the papers have them, and their shapes at other sides."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.cascade import CascadeDecoder
from faceleak.bench.core.nets.nbnet import NbNet
from torch import nn


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_the_papers_sizes() -> None:
    """16.4 M (TIFS 2024, 112 pixels, 512-d) and 3.41 M (NbNet-B, 160 pixels, 128-d) as counted in the released code."""
    cascade = CascadeDecoder(512, 112, 512)
    assert parameters(cascade) == pytest.approx(16.43e6, rel=0.03)
    nbnet = NbNet(128, 5, (256, 128, 64, 32, 16, 8), (32, 16, 8, 4, 2, 1), 8)
    assert parameters(nbnet) == pytest.approx(3.41e6, rel=0.03)
    with torch.no_grad():
        assert cascade.eval()(torch.zeros(1, 512)).shape == (1, 3, 112, 112)
        assert nbnet.eval()(torch.zeros(1, 128)).shape == (1, 3, 160, 160)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_other_sides(size: int) -> None:
    with torch.no_grad():
        y = CascadeDecoder(8, size, 16).eval()(torch.randn(2, 8, generator=torch.Generator().manual_seed(0)))
    assert y.shape == (2, 3, size, size)
    assert 0 <= float(y.min()) <= float(y.max()) <= 1


def test_another_side_is_refused() -> None:
    with pytest.raises(InputError, match="got 48"):
        CascadeDecoder(8, 48, 16)
