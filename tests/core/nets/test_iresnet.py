"""IResNet and MobileFaceNet: the published sizes, insightface's keys, any input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.iresnet import UNITS, IResNet
from faceleak.bench.core.nets.mobilefacenet import MobileFaceNet
from faceleak.bench.core.nets.servers import server_network
from faceleak.bench.core.weights import load_strictly
from torch import Tensor


def published_state(depth: int, dim: int = 512, cells: int = 49) -> dict[str, tuple[int, ...]]:
    """Names and shapes of insightface's ``backbone.pth``, in its order."""

    def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{part}": (width,) for part in parts} | {f"{name}.num_batches_tracked": ()}

    found = {"conv1.weight": (64, 3, 3, 3)} | norm("bn1", 64) | {"prelu.weight": (64,)}
    c_in = 64
    for stage, (width, units) in enumerate(zip((64, 128, 256, 512), UNITS[depth], strict=True), 1):
        for unit in range(units):
            at = f"layer{stage}.{unit}"
            found |= norm(f"{at}.bn1", c_in) | {f"{at}.conv1.weight": (width, c_in, 3, 3)} | norm(f"{at}.bn2", width)
            found |= {f"{at}.prelu.weight": (width,), f"{at}.conv2.weight": (width, width, 3, 3)}
            found |= norm(f"{at}.bn3", width)
            if unit == 0:
                found |= {f"{at}.downsample.0.weight": (width, c_in, 1, 1)} | norm(f"{at}.downsample.1", width)
            c_in = width
    found |= norm("bn2", 512) | {"fc.weight": (dim, 512 * cells), "fc.bias": (dim,)}
    return found | norm("features", dim)


@pytest.mark.parametrize(("depth", "millions"), [(18, 24.03), (34, 34.14), (50, 43.59), (100, 65.16)])
def test_sizes_and_keys_are_the_published_ones(depth: int, millions: float) -> None:
    with torch.device("meta"):  # shapes only: IR-100 alone would fill 260 MB
        net = IResNet(depth)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(millions * 1e6, abs=5e3)
    assert {name: tuple(value.shape) for name, value in net.state_dict().items()} == published_state(depth)
    assert list(net.state_dict()) == list(published_state(depth)), "the order too"


def test_a_published_state_dict_loads_strictly() -> None:
    net = IResNet(18, dim=16, side=16)
    wanted = {name: torch.full(shape, 0.5) for name, shape in published_state(18, 16, 1).items()}
    wanted |= {name: torch.ones((), dtype=torch.int64) for name in wanted if name.endswith("tracked")}
    state: dict[str, Tensor] = {f"module.{name}": value for name, value in wanted.items()}
    load_strictly(net, state, "module.", "mine")
    assert all(torch.equal(value, wanted[name]) for name, value in net.state_dict().items())
    for wrong, told in (("layer1.0.downsample.0.weight", "missing"), ("layer1.1.downsample.0.weight", "unexpected")):
        bad = {name: value for name, value in wanted.items() if name != wrong}
        bad |= {wrong: torch.zeros(1)} if wrong not in wanted else {}
        with pytest.raises(InputError, match=f"1 {told} "):
            load_strictly(net, bad, "", "mine")


@pytest.mark.parametrize("kind", ["ir18", "mobilefacenet"])
def test_wires_of_any_side(kind: str) -> None:
    """Stem, four stages (where DuetFace acts) and head are what forward runs, and all of it learns."""
    net: Any = server_network(kind, 27, 8, 48)  # type: ignore[arg-type]
    x = torch.rand(2, 27, 48, 48)
    net.eval()
    y = net.stem(x)
    for stage in net.body:
        y = stage(y)
    assert y.shape == (2, 512, 3, 3)
    assert torch.equal(net.head(y), net(x))
    net.train()
    z = net(x)
    assert z.shape == (2, 8)
    (z - torch.rand(2, 8)).square().sum().backward()
    free = [p for p in net.parameters() if p.requires_grad]
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in free)


def test_mobilefacenet_is_that_of_the_paper() -> None:
    """0.99 M parameters with 128 dimensions (table 2); its four maps at 112 pixels are DuetFace's."""
    net = MobileFaceNet()
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(0.99e6, rel=0.02)
    y, shapes = net.eval().stem(torch.rand(1, 3, 112, 112)), []
    for stage in net.body:
        y = stage(y)
        shapes.append(tuple(y.shape[1:]))
    assert shapes == [(64, 28, 28), (128, 14, 14), (128, 7, 7), (512, 7, 7)]


@pytest.mark.parametrize("name", ["small", "mobilefacenet", "ir18", "ir34", "ir50", "ir100"])
def test_every_server_takes_a_wire(name: str) -> None:
    with torch.device("meta"):
        net: Any = server_network(name, 162, 32, 64)  # type: ignore[arg-type]
        y = net.stem(torch.empty(2, 162, 64, 64))
        for stage in net.body:
            y = stage(y)
    assert len(net.body) == 4
    assert y.shape == (2, 128, 4, 4) if name == "small" else (2, 512, 4, 4)
