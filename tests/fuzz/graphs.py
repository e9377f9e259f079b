"""Edits that know ONNX: a byte changed at random seldom leaves a graph that is read at all."""

from __future__ import annotations

import io
import random
import zipfile
from typing import Any

from .seeds import rows

_NAMES = ('training"), getattr(__import__("os"), "system")("true"), ("', "", "a.b", "../x", "\n", "class", "e" * 3000)
_DIMS = (0, 1, 3, -1, 2**31, 2**40, 2**62, 10**6)
_OPS = ("Loop", "If", "Scan", "ConstantOfShape", "Expand", "Tile", "Range", "Resize", "Identity", "Einsum",
        "RandomNormal", "StringNormalizer", "Reshape", "Unknown", "Softmax", "Transpose")  # fmt: skip


def edited(data: bytes, rng: random.Random) -> bytes:
    """One to three places of a graph changed, and written as ONNX again."""
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except Exception:
        return data
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice((_node, _node, _tensor, _tensor, _value, _grow, _outside))(model, rng)
    return bytes(model.SerializeToString())


def _node(model: Any, rng: random.Random) -> None:
    if not model.graph.node:
        return
    node = rng.choice(model.graph.node)
    action = rng.randrange(6)
    if action == 0:
        node.name = rng.choice(_NAMES)
    elif action == 1:
        node.op_type = rng.choice(_OPS)
    elif action == 2 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice((*node.output, *node.input, "", "nowhere"))
    elif action == 3 and node.attribute:
        attribute = rng.choice(node.attribute)
        attribute.i = rng.choice(_DIMS)
        for place in range(len(attribute.ints)):
            attribute.ints[place] = rng.choice((attribute.ints[place], *_DIMS))
    elif action == 4:
        node.domain = rng.choice(("", "ai.onnx", "com.microsoft", "mine"))
    else:
        model.graph.node.remove(node)


def _tensor(model: Any, rng: random.Random) -> None:
    if not model.graph.initializer:
        return
    tensor = rng.choice(model.graph.initializer)
    action = rng.randrange(5)
    if action == 0 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(_DIMS)
    elif action == 1:
        tensor.data_type = rng.randrange(0, 24)
    elif action == 2:
        tensor.raw_data = tensor.raw_data[: rng.choice((0, 1, 7, 64))]
    elif action == 3:
        tensor.raw_data = rng.choice((b"\xff", b"\0", b"\x7f")) * len(tensor.raw_data)
    else:
        model.graph.initializer.remove(tensor)


def _value(model: Any, rng: random.Random) -> None:
    value = rng.choice([*model.graph.input, *model.graph.output])
    shape = value.type.tensor_type.shape
    if shape.dim and rng.random() < 0.7:
        rng.choice(shape.dim).dim_value = rng.choice(_DIMS)
    else:
        value.type.tensor_type.elem_type = rng.randrange(0, 24)


def _grow(model: Any, rng: random.Random) -> None:
    """Another node on the way whose output may be as large as it says."""
    from onnx import TensorProto, helper

    if not model.graph.node:
        return
    node = rng.choice(model.graph.node)
    if not node.input:
        return
    dims = [rng.choice(_DIMS) for _ in range(rng.choice((1, 2, 4)))]
    name = f"grown{rng.randrange(9)}"
    model.graph.initializer.append(helper.make_tensor(f"{name}_s", TensorProto.INT64, [len(dims)], dims))
    op = rng.choice(("ConstantOfShape", "Expand", "Tile", "Reshape"))
    inputs = [f"{name}_s"] if op == "ConstantOfShape" else [node.input[0], f"{name}_s"]
    model.graph.node.insert(0, helper.make_node(op, inputs, [name]))
    node.input[0] = name


def _outside(model: Any, rng: random.Random) -> None:
    """Weights said to lie in another file."""
    if model.graph.initializer:
        tensor = rng.choice(model.graph.initializer)
        tensor.data_location = 1
        for key, value in (("location", rng.choice(("/etc/passwd", "../x", "input.onnx", ""))),
                           ("offset", rng.choice(("0", "-1", "x"))), ("length", str(rng.choice(_DIMS)))):  # fmt: skip
            tensor.external_data.add(key=key, value=value)


def packed(graph: bytes) -> bytes:
    """A pack of that one graph."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("rec.onnx", graph)
    return file.getvalue()


def results() -> list[bytes]:
    """A ``results.csv`` of a few rows."""
    import json

    from faceleak.bench.record.results import COLUMNS, results_text

    told = [dict.fromkeys(COLUMNS, "") | row for row in json.loads(rows()[0])]
    return [results_text(told).encode()]
