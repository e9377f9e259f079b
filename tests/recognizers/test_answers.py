"""Graphs that are no recogniser, take less than a square, or keep their weights elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import RECOGNIZERS
from faceleak.bench.core.seeding import Rng
from faceleak.bench.recognizers.base import BuildContext, Recognizer
from onnx import TensorProto, helper, numpy_helper


def write(path: Path, height: int = 16, width: int = 16, zero: bool = False, mixed: bool = False) -> Path:
    """Colours times a matrix, or minus the mean of the batch."""
    weight = np.random.default_rng(0).normal(size=(3 * height * width, 4)).astype(np.float32) * (not zero)
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["m"])]
    if mixed:
        nodes.append(helper.make_node("ReduceMean", ["m"], ["c"], axes=[0], keepdims=1))
    nodes.append(helper.make_node("Sub", ["m", "c"], ["z"]) if mixed else helper.make_node("Identity", ["m"], ["z"]))
    start = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, height, width])]
    end = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 4])]
    graph = helper.make_graph(nodes, "g", start, end, [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def build(path: Path, **more: Any) -> Recognizer:
    net: Recognizer = RECOGNIZERS.get("onnx")({"path": str(path), "family": "x", "size": 16, "scale": "unit", **more})
    return net.build(BuildContext(None, Rng(0, "r"), torch.device("cpu"), Progress(quiet=True)))


def test_who_answers_alike_to_everybody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the same features for every picture"):
        build(write(tmp_path / "zero.onnx", zero=True))


def test_who_mixes_the_pictures_of_a_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="other features when others are in the batch"):
        build(write(tmp_path / "mixed.onnx", mixed=True))


def test_a_graph_that_is_not_square_takes_the_middle(tmp_path: Path) -> None:
    net = build(write(tmp_path / "narrow.onnx", width=12))
    x = torch.rand(2, 3, 16, 16, requires_grad=True)
    other = x.detach().clone()
    other[:, :, :, :2] = other[:, :, :, -2:] = 0
    assert torch.equal(net(x.detach()), net(other))
    net(x).sum().backward()
    assert x.grad is not None
    assert not x.grad[:, :, :, :2].any()
    assert net.provenance["cut"] == "the middle 16x12 of 16x16"
    with pytest.raises(InputError, match="size is 112; set size = 16"):
        build(tmp_path / "narrow.onnx", size=112)


@pytest.mark.parametrize("place", ["../w.data", "{}/w.data", "gone.data"])
def test_weights_are_read_beside_their_file_only(tmp_path: Path, place: str) -> None:
    (tmp_path / "in").mkdir()
    model = onnx.load(write(tmp_path / "a.onnx"))
    onnx.save(model, tmp_path / "in/a.onnx", save_as_external_data=True, location="w.data", size_threshold=0)
    build(tmp_path / "in/a.onnx")
    os.link(tmp_path / "in/w.data", tmp_path / "w.data")
    outside = onnx.load(tmp_path / "in/a.onnx", load_external_data=False)
    for entry in outside.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = place.format(tmp_path)
    (tmp_path / "in/a.onnx").write_bytes(outside.SerializeToString())
    with pytest.raises(InputError, match="no file beside it"):
        build(tmp_path / "in/a.onnx")
