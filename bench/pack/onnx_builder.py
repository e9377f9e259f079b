"""An ONNX file, node by node: for networks that their publishers give in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..core.extras import need
from ..core.onnx_file import describe_error
from ..store.durable import write_whole

Array = npt.NDArray[Any]
_OPSET, _IR = 17, 8  # what ONNX Runtime 1.18 and onnx2torch read


class Builder:
    """A graph with one input ``image`` of (n, 3, side, side) and one output ``embedding``.

    Args:
        side: of the square pictures, in pixels.
    """

    image = "image"

    def __init__(self, side: int) -> None:
        self._onnx = need("onnx", "Networks that are made into ONNX files")
        self.side = side
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def constant(self, value: Array) -> str:
        """Name of a constant; floating-point numbers are kept as float32."""
        kept = np.asarray(value, np.float32) if np.issubdtype(np.asarray(value).dtype, np.floating) else value
        name = f"c{len(self._weights)}"
        self._weights.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(kept), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Name of the one output of a new node of ``kind``."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def conv(self, x: str, weight: Array, bias: Array | None = None, **attributes: Any) -> str:
        """A convolution; ``weight`` is (O, I / group, kh, kw)."""
        constants = [self.constant(one) for one in (weight, bias) if one is not None]
        return self.node("Conv", x, *constants, kernel_shape=list(weight.shape[2:]), **attributes)

    def window(self, rows: Array, columns: Array, per_pixel: Array) -> str:
        """The part of the input that a network looks at, resampled bilinearly; outside of the input is 0.

        Args:
            rows: (H,) coordinates in the input of the result's rows, in pixels; 0 is the middle of the first.
            columns: (W,) the same across.
            per_pixel: (3, 4) matrix from (R, G, B, 1), colours in [0, 1], to the channels that the network takes.
        """
        tall = self.node("MatMul", self.constant(_bilinear(rows, self.side)), self.image)
        square = self.node("MatMul", tall, self.constant(_bilinear(columns, self.side).T))
        return self.conv(square, per_pixel[:, :3, None, None], per_pixel[:, 3])

    def save(self, output: str, dim: int, file: Path) -> None:
        """Write the graph whose result is ``output``, (n, dim), to ``file`` in one step.

        Raises:
            InputError: what was put together is no graph, because a publisher's file says what cannot be.
        """
        helper, real = self._onnx.helper, self._onnx.TensorProto.FLOAT
        self._nodes.append(helper.make_node("Flatten", [output], ["embedding"], axis=1))
        ends = ((self.image, ["n", 3, self.side, self.side]), ("embedding", ["n", dim]))
        start, end = (helper.make_tensor_value_info(name, real, shape) for name, shape in ends)
        graph = helper.make_graph(self._nodes, file.stem, [start], [end], self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        try:
            self._onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # the checker's errors and protobuf's share no base class
            raise InputError(
                f"{file.name} cannot be made: the files that it is made of are another network's, or damaged "
                f"({describe_error(error)}); fetch them again."
            ) from error
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, lambda part: part.write_bytes(model.SerializeToString()))


def _bilinear(at: Array, side: int) -> Array:
    """(len(at), side) weights of linear interpolation between pixels at the coordinates ``at``."""
    return np.clip(1 - np.abs(at[:, None] - np.arange(side)), 0, None)
