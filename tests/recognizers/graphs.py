"""Tiny ONNX files, made with onnx.helper, for machines without the data pack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE, DIM = 8, 6


def _weights(seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [
        numpy_helper.from_array(rng.normal(size=(4, 3, 3, 3)).astype(np.float32) / 5, "w"),
        numpy_helper.from_array(rng.normal(size=(DIM, 4 * SIZE * SIZE)).astype(np.float32) / 16, "v"),
        numpy_helper.from_array(np.array([1, -1], dtype=np.int64), "flat"),
        *(numpy_helper.from_array(np.array([v], dtype=np.int64), n) for n, v in (("zero", 0), ("two", 2), ("end", 99))),
        *(numpy_helper.from_array(np.array([v], dtype=np.int64), n) for n, v in (("minus", -1), ("low", -99))),
    ]


def write_graph(
    path: Path, *, batch: int | str = "n", kind: str = "plain", outputs: int = 1, dtype: int = 1, side: int = SIZE,
    seed: int = 0,
) -> Path:  # fmt: skip
    """A convolution, ReLU and a linear layer on (batch, 3, 8, 8), written to ``path``.

    Args:
        path: where to.
        batch: a number fixes it, a name leaves it open.
        kind: ``plain``; ``stuck`` reshapes to a batch of one; ``slice`` mirrors by a negative step and cuts a border
            off; ``odd`` has an operation that onnx2torch does not know.
        outputs: 2 also returns the feature map.
        dtype: element type of the input.
        side: of the input where it is a multiple of 8; what is larger is averaged down to 8.
        seed: of the weights.
    """
    flatten = helper.make_node("Flatten", ["b"], ["c"])
    first = [helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1])]
    if kind == "stuck":
        flatten = helper.make_node("Reshape", ["b", "flat"], ["c"])
    if kind == "slice":
        first = [
            helper.make_node("Slice", ["x", "minus", "low", "two", "minus"], ["m"]),
            helper.make_node("Slice", ["m", "zero", "end", "two"], ["s"]),
            helper.make_node("Conv", ["s", "w"], ["a"], pads=[1, 1, 1, 1]),
        ]
    if side != SIZE:
        shrink = {"kernel_shape": [side // SIZE] * 2, "strides": [side // SIZE] * 2}
        first = [
            helper.make_node("AveragePool", ["x"], ["p"], **shrink),
            helper.make_node("Conv", ["p", "w"], ["a"], pads=[1, 1, 1, 1]),
        ]
    act = helper.make_node("Shrink" if kind == "odd" else "Relu", ["a"], ["b"])
    nodes = [*first, act, flatten, helper.make_node("Gemm", ["c", "v"], ["e"], transB=1)]
    ends = [helper.make_tensor_value_info("e", TensorProto.FLOAT, [batch, DIM])]
    if outputs == 2:
        ends.insert(0, helper.make_tensor_value_info("b", TensorProto.FLOAT, [batch, 4, SIZE, SIZE]))
    start = [helper.make_tensor_value_info("x", dtype, [batch, 3, side, side])]
    graph = helper.make_graph(nodes, "tiny", start, ends, _weights(seed))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path
