"""dlib's face recogniser from the weights that face-api publishes -> nodes of ONNX.

King, "Dlib-ml", JMLR 10, 2009: a ResNet-29 of 3 million pictures with a metric loss. The graph is written out here as
in dlib's example ``dnn_metric_learning_on_images`` (anet_type), because face-api gives names and shapes but no graph.
The weights have 8 bits each, tensor by tensor: value = scale * byte + min; a few tensors are kept as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.json_file import read_json
from .onnx_builder import Array, Builder

# Residual units in their order; ``down`` halves the sides and may widen, with zeros where the shortcut lacks channels.
_UNITS = (
    "conv32_1", "conv32_2", "conv32_3", "conv64_down", "conv64_1", "conv64_2", "conv64_3", "conv128_down", "conv128_1",
    "conv128_2", "conv256_down", "conv256_1", "conv256_2", "conv256_down_out",
)  # fmt: skip


def read_weights(manifest: Path, weights: Path) -> dict[str, Array]:
    """Tensors by name, float32, as they lie in the files (filters are height, width, in, out).

    Raises:
        InputError: no such manifest, or weights of another length.
    """
    try:
        told = [one for group in read_json(manifest) for one in group["weights"]]
        return dict(_tensors(told, weights.read_bytes()))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{manifest} and {weights.name} do not fit together ({type(error).__name__}: {error}); fetch them again."
        ) from error


def _tensors(told: list[Any], held: bytes) -> Iterator[tuple[str, Array]]:
    start = 0
    for one in told:
        how = one.get("quantization", {"dtype": one["dtype"], "scale": 1, "min": 0})
        kind = np.dtype({"uint8": "u1", "float32": "<f4"}[how["dtype"]])
        end = start + int(np.prod(one["shape"])) * kind.itemsize
        values = np.frombuffer(held[start:end], kind).astype(np.float32)
        yield one["name"], (values * how["scale"] + how["min"]).reshape(one["shape"])
        start = end
    if start != len(held):
        raise ValueError(f"{start} bytes were told of, {len(held)} are there")


def append(builder: Builder, manifest: Path, weights: Path, image: str) -> tuple[str, int]:
    """Add the network to ``builder``.

    Args:
        builder: where its nodes go.
        manifest: the .json.
        weights: the .bin.
        image: name of what the network takes, (n, 3, 150, 150).

    Returns:
        The name of its result and how many numbers that has for a picture.

    Raises:
        InputError: files that do not fit together, or not this network's.
    """
    tensors = read_weights(manifest, weights)
    try:
        return _Net(builder, tensors).result(image, 150)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{manifest} does not hold dlib's recogniser ({type(error).__name__}: {error}); fetch it again."
        ) from error


class _Net:
    def __init__(self, builder: Builder, tensors: dict[str, Array]) -> None:
        self.builder, self.tensors = builder, tensors

    def result(self, x: str, side: int) -> tuple[str, int]:
        x = self.builder.node("Relu", self._conv(x, "conv32_down", stride=2, margin=0))
        x = self.builder.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
        side, width = ((side - 7) // 2 + 1 - 3) // 2 + 1, self.tensors["conv32_down/conv/filters"].shape[-1]
        for unit in _UNITS:
            if "down" in unit:
                x, side, width = self._down(x, unit, side, width)
            else:
                x = self._added(self._body(x, unit, stride=1), x)
        x = self.builder.node("ReduceMean", x, axes=[2, 3], keepdims=0)
        dense = self.tensors["fc"]  # (in, out)
        return self.builder.node("MatMul", x, self.builder.constant(dense)), dense.shape[1]

    def _conv(self, x: str, name: str, *, stride: int, margin: int) -> str:
        """A convolution, and the scale and shift by channel that dlib has in a batch norm's place."""
        filters, bias, scale, shift = (
            self.tensors[f"{name}/{part}"] for part in ("conv/filters", "conv/bias", "scale/weights", "scale/biases")
        )
        weight = filters.transpose(3, 2, 0, 1) * scale[:, None, None, None]
        return self.builder.conv(x, weight, bias * scale + shift, strides=[stride] * 2, pads=[margin] * 4)

    def _body(self, x: str, unit: str, *, stride: int) -> str:
        inner = self._conv(x, f"{unit}/conv1", stride=stride, margin=1 if stride == 1 else 0)
        return self._conv(self.builder.node("Relu", inner), f"{unit}/conv2", stride=1, margin=1)

    def _down(self, x: str, unit: str, side: int, width: int) -> tuple[str, int, int]:
        """A unit whose shortcut is pooled; whichever of the two has fewer pixels or channels gets zeros at its end."""
        body = self._body(x, unit, stride=2)
        shortcut = self.builder.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
        wide, inner, pooled = self.tensors[f"{unit}/conv2/conv/bias"].size, (side - 3) // 2 + 1, side // 2
        body = self._padded(body, 0, pooled - inner)
        return self._added(body, self._padded(shortcut, wide - width, 0)), pooled, wide

    def _padded(self, x: str, channels: int, pixels: int) -> str:
        if not channels and not pixels:
            return x
        ends = np.array([0, 0, 0, 0, 0, channels, pixels, pixels], np.int64)
        return self.builder.node("Pad", x, self.builder.constant(ends))

    def _added(self, body: str, shortcut: str) -> str:
        return self.builder.node("Relu", self.builder.node("Add", body, shortcut))
