"""OpenVINO's intermediate representation (an .xml with the graph, a .bin with the weights) -> nodes of ONNX.

Only what small networks of Open Model Zoo need (IR 10 and 11, opset 1); another layer is named and refused. The batch,
which the file fixes at one, becomes free: none of these layers looks across pictures.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET  # nosec B405
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from .onnx_builder import Array, Builder

_TYPES = {"f32": np.float32, "f16": np.float16, "i64": np.int64, "i32": np.int32}
_PLAIN = {"Add": "Add", "Multiply": "Mul", "Sigmoid": "Sigmoid", "ReLU": "Relu"}
_MOST_BYTES = 64 << 20  # of the .xml; those of Open Model Zoo have less than one MiB

Value = str | Array  # a node's name, or a constant that is not in the graph yet


def append(builder: Builder, graph: Path, weights: Path, image: str) -> tuple[str, int]:
    """Add a network to ``builder``.

    Args:
        builder: where its nodes go.
        graph: the .xml.
        weights: the .bin.
        image: name of what the network takes, (n, C, H, W).

    Returns:
        The name of its result and how many numbers that has for a picture.

    Raises:
        InputError: files that do not belong together or are cut, or a layer that is not known.
    """
    try:
        return _Reader(builder, graph, weights.read_bytes(), image).result()
    except InputError:
        raise
    except (ET.ParseError, KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise InputError(
            f"{graph} and {weights.name} are no network that can be read ({type(error).__name__}: {error}); fetch them "
            "again."
        ) from error


class _Reader:
    """Makes layer after layer, each behind those that feed it."""

    def __init__(self, builder: Builder, graph: Path, weights: bytes, image: str) -> None:
        if graph.stat().st_size > _MOST_BYTES:
            raise InputError(f"{graph} has {graph.stat().st_size >> 20} MiB; it is no graph of a small network.")
        root = ET.fromstring(graph.read_text(encoding="utf-8"))  # expat bounds what entities grow to  # nosec B314
        self.builder, self.graph, self.weights, self.image = builder, graph, weights, image
        self.layers = {layer.attrib["id"]: layer for layer in root.iter("layer")}
        self.inputs: dict[str, list[str]] = {name: [] for name in self.layers}  # layer -> who feeds it, in its order
        for edge in sorted(root.iter("edge"), key=lambda one: int(one.attrib["to-port"])):
            self.inputs[edge.attrib["to-layer"]].append(edge.attrib["from-layer"])
        self.made: dict[str, Value] = {}
        self.makers: dict[str, Callable[..., str]] = {
            "Convolution": self._convolution, "GroupConvolution": self._groups, "PReLU": self._prelu,
            "MaxPool": self._max_pool, "AvgPool": self._average_pool,
        }  # fmt: skip

    def result(self) -> tuple[str, int]:
        """Name and length of what the network gives, all its layers being made."""
        (end,) = [name for name, layer in self.layers.items() if layer.attrib["type"] == "Result"]
        for name in TopologicalSorter(self.inputs).static_order():
            if name != end:
                self.made[name] = self._value(name)
        (last,) = self.inputs[end]
        return self._name(last), int(np.prod(self._shape(last)[1:]))

    def _shape(self, name: str) -> list[int]:
        port = self.layers[name].find("output/port")
        return [int(dim.text or 0) for dim in port.iter("dim")] if port is not None else []

    def _name(self, name: str) -> str:
        """The node's name; a constant enters the graph now."""
        value = self.made[name]
        return value if isinstance(value, str) else self.builder.constant(value)

    def _array(self, name: str) -> Array:
        value = self.made[name]
        if isinstance(value, str):
            raise InputError(f"{self.graph}: layer {name} computes weights instead of holding them.")
        return value

    def _value(self, name: str) -> Value:
        layer, inputs = self.layers[name], self.inputs[name]
        kind, about = layer.attrib["type"], _about(layer)
        if kind == "Parameter":
            return self.image
        if kind == "Const":
            start = int(about["offset"])
            shape = [int(side) for side in about["shape"].split(",") if side.strip()]
            held = np.frombuffer(self.weights[start : start + int(about["size"])], _TYPES[about["element_type"]])
            return held.reshape(shape)
        if kind == "Convert":
            return self._array(inputs[0]).astype(float)  # weights of 16 bits
        if kind in _PLAIN:
            return self.builder.node(_PLAIN[kind], *map(self._name, inputs))
        if kind not in self.makers:
            raise InputError(f"{self.graph}: layers of type {kind} are not known here; take the network as ONNX.")
        return self.makers[kind](about, *inputs)

    def _convolution(self, about: Mapping[str, str], x: str, weight: str) -> str:
        return self.builder.conv(self._name(x), self._array(weight), **_places(about))

    def _groups(self, about: Mapping[str, str], x: str, weight: str) -> str:
        groups = self._array(weight)  # (G, O / G, I / G, kh, kw)
        joined = groups.reshape(-1, *groups.shape[2:])
        return self.builder.conv(self._name(x), joined, group=len(groups), **_places(about))

    def _prelu(self, about: Mapping[str, str], x: str, slope: str) -> str:
        return self.builder.node("PRelu", self._name(x), self.builder.constant(self._array(slope).reshape(-1, 1, 1)))

    def _max_pool(self, about: Mapping[str, str], x: str) -> str:
        return self.builder.node("MaxPool", self._name(x), **_pooled(about))

    def _average_pool(self, about: Mapping[str, str], x: str) -> str:
        padded = int(about["exclude-pad"] != "true")
        return self.builder.node("AveragePool", self._name(x), count_include_pad=padded, **_pooled(about))


def _about(layer: ET.Element) -> dict[str, str]:
    data = layer.find("data")
    return {} if data is None else dict(data.attrib)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _places(about: Mapping[str, str]) -> dict[str, Any]:
    """Strides, dilations and margins of a convolution or a pool."""
    if about.get("auto_pad", "explicit") not in ("explicit", "valid"):
        raise InputError(f"auto_pad = {about['auto_pad']!r} is not known here; take the network as ONNX.")
    given = {"strides": _numbers(about["strides"]), "pads": _numbers(about["pads_begin"]) + _numbers(about["pads_end"])}
    return given | ({"dilations": _numbers(about["dilations"])} if "dilations" in about else {})


def _pooled(about: Mapping[str, str]) -> dict[str, Any]:
    sizes = {"kernel_shape": _numbers(about["kernel"]), "ceil_mode": int(about["rounding_type"] == "ceil")}
    return sizes | _places({key: value for key, value in about.items() if key != "dilations"})
