"""ONNX files that are meant ill: they run nothing, read nothing else, and stay within what a recogniser may take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.onnx_graph import TorchNet, read_graph
from onnx import TensorProto, helper

from .graphs import SIZE, write_graph

VARIABLE = "FACELEAK_RAN"
ASK = f"import os; raise SystemExit({VARIABLE!r} in os.environ)"  # what a child sees that putenv has set


def changed(tmp_path: Path, change: Any) -> Path:
    file = write_graph(tmp_path / "a.onnx")
    model = onnx.load(file)
    change(model)
    file.write_bytes(model.SerializeToString())
    return file


def refused(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_graph(file, SIZE, "", "mine")
    return str(caught.value)


def test_the_name_of_a_node_is_no_program(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        model.graph.node[0].name = f'training"), getattr(__import__("os"), "putenv")("{VARIABLE}", "1"), ("'

    net = TorchNet(read_graph(changed(tmp_path, change), SIZE, "", "mine"))
    assert net(torch.zeros(1, 3, SIZE, SIZE)).shape[0] == 1
    assert "putenv" not in net.net.code  # type: ignore[operator]
    assert subprocess.run([sys.executable, "-c", ASK], check=False).returncode == 0


def test_the_domain_of_a_node_is_a_plain_word(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        model.graph.node[0].domain = 'x"), print("'
        model.opset_import.append(helper.make_opsetid('x"), print("', 1))

    assert "operation called" in refused(changed(tmp_path, change))


@pytest.mark.parametrize("kind", ["Loop", "Scan"])
def test_graphs_that_compute_as_long_as_they_like_are_refused(kind: str, tmp_path: Path) -> None:
    def change(model: Any) -> None:
        model.graph.node.append(helper.make_node(kind, ["x"], ["y"]))

    assert f"it holds a {kind}" in refused(changed(tmp_path, change))


def test_a_loop_inside_of_a_branch_is_seen(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        inner = helper.make_graph([helper.make_node("Loop", ["x"], ["y"])], "inner", [], [])
        model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=inner, else_branch=inner))

    assert "it holds a Loop" in refused(changed(tmp_path, change))


@pytest.mark.parametrize("op", ["ConstantOfShape", "Expand", "Tile"])
def test_values_that_no_machine_can_hold_are_refused_before_they_are_made(op: str, tmp_path: Path) -> None:
    def change(model: Any) -> None:
        large = [1, 3, 1 << 20, 1 << 20]
        model.graph.initializer.append(helper.make_tensor("large", TensorProto.INT64, [4], large))
        model.graph.initializer.append(helper.make_tensor("one", TensorProto.FLOAT, [1, 1, 1, 1], [1.0]))
        inputs = ["large"] if op == "ConstantOfShape" else ["one", "large"]
        model.graph.node.insert(0, helper.make_node(op, inputs, ["huge"]))

    assert "numbers" in refused(changed(tmp_path, change))


def test_many_weights_in_one_file_beside_it_are_counted(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        for number in range(3):
            tensor = TensorProto(name=f"t{number}", data_type=1, dims=[1 << 28], data_location=1)
            tensor.external_data.add(key="location", value="a.onnx")
            tensor.external_data.add(key="length", value=str(1 << 30))
            model.graph.initializer.append(tensor)

    assert "in other files" in refused(changed(tmp_path, change))


@pytest.mark.parametrize("place", ["../x", "/etc/passwd", "C:/x", "..\\x", ""])
@pytest.mark.parametrize("where", ["initializer", "sparse", "branch"])
def test_weights_elsewhere_are_refused_wherever_they_stand(place: str, where: str, tmp_path: Path) -> None:
    def change(model: Any) -> None:
        tensor = TensorProto(name="t", data_type=1, dims=[1], data_location=1)
        tensor.external_data.add(key="location", value=place)
        if where == "initializer":
            model.graph.initializer.append(tensor)
        elif where == "sparse":
            model.graph.sparse_initializer.add(values=tensor, dims=[1])
        else:
            inner = helper.make_graph([], "inner", [], [], [tensor])
            model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=inner, else_branch=inner))

    assert "no file beside it" in refused(changed(tmp_path, change))


@pytest.mark.parametrize(("op", "shape"), [("ConstantOfShape", [1 << 40, 1 << 40, -1]), ("Reshape", [-2, 4])])
def test_shapes_that_no_value_has_are_refused(op: str, shape: list[int], tmp_path: Path) -> None:
    def change(model: Any) -> None:
        model.graph.initializer.append(helper.make_tensor("odd", TensorProto.INT64, [len(shape)], shape))
        inputs = ["odd"] if op == "ConstantOfShape" else ["x", "odd"]
        model.graph.node.insert(0, helper.make_node(op, inputs, ["huge"]))

    assert f"a {op} would have" in refused(changed(tmp_path, change))
