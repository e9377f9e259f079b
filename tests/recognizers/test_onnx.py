"""ONNX recognisers on tiny graphs: batches, gradients, preprocessing, copies."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from faceleak.bench.core.errors import InputError, NoGradientError
from faceleak.bench.core.seeding import Rng
from faceleak.bench.recognizers import onnx as onnx_module
from faceleak.bench.recognizers.base import Recognizer
from torch import Tensor

from .graphs import DIM, SIZE, write_graph
from .pack import make


def tiny(path: Path, **settings: Any) -> Recognizer:
    return make("onnx", {"path": str(path), "family": "tiny", "size": SIZE, "scale": "unit", **settings})


def images(n: int = 5) -> Tensor:
    return Rng(1).uniform(torch.arange(n), (3, SIZE, SIZE))


@pytest.mark.parametrize(
    ("kind", "batch"),
    [
        ("plain", "n"),
        ("plain", 1),
        ("plain", 2),
        ("slice", "n"),
        ("slice", 1),
        ("slice", 2),
        ("stuck", 1),
        ("plain", -1),
    ],
)
def test_any_batch_and_both_forms(tmp_path: Path, kind: str, batch: int | str) -> None:
    recognizer = tiny(write_graph(tmp_path / "a.onnx", batch=batch, kind=kind))
    x = images().requires_grad_()
    z = recognizer(x)
    assert recognizer.differentiable
    assert z.shape == (5, DIM)
    assert torch.allclose(z, recognizer.embed(images()), atol=1e-5)
    one_by_one = torch.cat([recognizer.embed(part) for part in torch.split(images(), 1)])
    assert torch.allclose(recognizer.embed(images(), batch=2), one_by_one, atol=1e-5)
    z[:, 0].sum().backward()
    assert x.grad is not None
    assert bool((x.grad.abs().amax(dim=(1, 2, 3)) > 0).all())
    assert recognizer.embed(images(0)).shape == (0, DIM)


def test_slice_mirrors_the_width(tmp_path: Path) -> None:
    """A step of -1 is where a home-made slice goes wrong; the reference is a graph without one."""
    plain = tiny(write_graph(tmp_path / "plain.onnx"), backend="onnx2torch")
    mirrored = tiny(write_graph(tmp_path / "slice.onnx", kind="slice"), backend="onnx2torch")
    assert torch.allclose(mirrored.embed(images().flip(2)), plain.embed(images()), atol=1e-5)


def test_what_does_not_convert_is_a_black_box(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "odd.onnx", kind="odd")
    recognizer = tiny(path)
    assert recognizer.embed(images()).shape == (5, DIM)
    with pytest.raises(NoGradientError, match=r"onnx2torch does not convert odd.onnx .*Shrink.*; supply its torch"):
        recognizer(images().requires_grad_())
    with pytest.raises(InputError, match=r"does not convert.*set backend = 'auto'"):
        tiny(path, backend="onnx2torch")


def test_forced_runtime_names_the_setting(tmp_path: Path) -> None:
    recognizer = tiny(write_graph(tmp_path / "a.onnx"), backend="onnxruntime")
    with pytest.raises(NoGradientError, match="backend = 'onnxruntime'"):
        recognizer(images().requires_grad_())


def test_a_wrong_conversion_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(onnx_module.TorchNet):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 1.01

    monkeypatch.setattr(onnx_module, "TorchNet", Wrong)
    recognizer = tiny(write_graph(tmp_path / "a.onnx"))
    assert "gives other embeddings (relative difference 0.01)" in recognizer.no_gradient_message()
    with pytest.raises(InputError, match="other embeddings"):
        tiny(tmp_path / "a.onnx", backend="onnx2torch")


def test_scales(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "a.onnx")
    # The graph has no bias, so a common factor on its input does not change unit-norm embeddings.
    assert torch.allclose(tiny(path, scale="byte").embed(images()), tiny(path).embed(images()), atol=1e-5)
    half = [[0.5] * 3, [0.5] * 3]
    assert torch.allclose(
        tiny(path, scale="symmetric").embed(images()), tiny(path, scale=half).embed(images()), atol=1e-5
    )
    assert not torch.allclose(tiny(path, scale="symmetric").embed(images()), tiny(path).embed(images()), atol=1e-2)
    with pytest.raises(InputError, match="divide values meant for"):
        tiny(path, scale=[[127.5] * 3, [127.5] * 3])


def test_copies_and_pickles(tmp_path: Path) -> None:
    recognizer = tiny(write_graph(tmp_path / "a.onnx"))
    z = recognizer.embed(images())
    assert torch.equal(copy.deepcopy(recognizer).embed(images()), z)
    assert torch.equal(pickle.loads(pickle.dumps(recognizer)).embed(images()), z)


def test_description_follows_the_file(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "a.onnx")
    before = tiny(path).describe()
    write_graph(path, kind="odd")
    assert tiny(path).describe()["weights"] != before["weights"]


def test_several_outputs_must_be_named(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "two.onnx", outputs=2)
    with pytest.raises(InputError, match=r"outputs \['b', 'e'\]; set output"):
        tiny(path)
    assert tiny(path, output="e").differentiable
    assert tiny(path, output="e").dim == DIM


@pytest.mark.parametrize(
    ("settings", "graph", "message"),
    [
        ({"size": 16}, {}, r"takes 8x8 images, size is 16; set size = 8"),
        ({}, {"dtype": 10}, r"element type 10, not float32"),
        ({}, {"batch": 4096}, r"takes 4096 images at once"),
        ({"output": "q"}, {}, r"has outputs \['e'\]; set output"),
    ],
)
def test_a_graph_that_does_not_fit(
    tmp_path: Path, settings: dict[str, Any], graph: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tiny(write_graph(tmp_path / "a.onnx", **graph), **settings)


@pytest.mark.parametrize("op", ["Min", "Max"])
def test_extrema_are_those_of_onnx(tmp_path: Path, op: str) -> None:
    """A bound, one per channel or another map; onnx2torch's own module says the same, slowly."""
    from faceleak.bench.core.onnx_graph import _Extremum
    from onnx2torch.node_converters.min_max import OnnxMinMax

    x, other = torch.randn(2, 3, 4, 4, generator=Rng(2).torch()), torch.randn(2, 3, 4, 4, generator=Rng(3).torch())
    for bounds in (
        [torch.tensor(0.3)],
        [torch.tensor([0.3])],
        [other[0, :, :1, :1]],
        [other],
        [other, x.new_tensor(0.1)],
    ):
        assert torch.equal(_Extremum(op)(x, *bounds), OnnxMinMax(op)(x, *bounds))
