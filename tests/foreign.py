"""Small files in other people's forms (OpenVINO's, face-api's, YuNet's), and what they compute, in torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from faceleak.datasets.alignment import TEMPLATE
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor


class Ir:
    """Writes an intermediate representation layer by layer, as Model Optimizer does: weights of 16 bits if asked."""

    def __init__(self, side: int, *, half: bool = False) -> None:
        self.half, self.layers, self.edges, self.held = half, [], [], b""
        self.last = self.layer("Parameter", f'shape="1,3,{side},{side}" element_type="f32"', [1, 3, side, side])

    def layer(self, kind: str, about: str, shape: list[int], *inputs: int) -> int:
        """Number of a new layer with the output ``shape``, fed by the layers ``inputs``."""
        here = len(self.layers)
        dims = "".join(f"<dim>{side}</dim>" for side in shape)
        port = f'<output><port id="{len(inputs)}">{dims}</port></output>' if kind != "Result" else ""
        data = f"<data {about} />" if about else ""
        self.layers.append(f'<layer id="{here}" name="n{here}" type="{kind}" version="opset1">{data}{port}</layer>')
        # Backwards: a reader must go by the ports, not by the order in the file.
        self.edges += [
            f'<edge from-layer="{one}" from-port="0" to-layer="{here}" to-port="{port}" />'
            for port, one in reversed(list(enumerate(inputs)))
        ]
        return here

    def constant(self, value: np.ndarray) -> int:
        kept = value.astype(np.float16 if self.half else np.float32)
        about = f'element_type="{"f16" if self.half else "f32"}" shape="{", ".join(map(str, value.shape))}"'
        about += f' offset="{len(self.held)}" size="{kept.nbytes}"'
        self.held += kept.tobytes()
        number = self.layer("Const", about, list(value.shape))
        return self.layer("Convert", 'destination_type="f32"', list(value.shape), number) if self.half else number

    def add(self, kind: str, about: str, shape: list[int], *weights: np.ndarray) -> None:
        """A layer on top of the last one."""
        inputs = [self.last, *(self.constant(one) for one in weights)]
        self.last = self.layer(kind, about, shape, *inputs)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """The .xml and the .bin."""
        self.layer("Result", "", [], self.last)
        graph, weights = folder / f"{name}.xml", folder / f"{name}.bin"
        folder.mkdir(parents=True, exist_ok=True)
        layers, edges = "".join(self.layers), "".join(self.edges)
        text = f'<net name="tiny" version="11"><layers>{layers}</layers><edges>{edges}</edges></net>'
        graph.write_text(text)
        weights.write_bytes(self.held)
        return graph, weights


def _plan(stride: int, margin: int) -> str:
    return (
        f'strides="{stride}, {stride}" dilations="1, 1" pads_begin="{margin}, {margin}" pads_end="{margin}, {margin}" '
        'auto_pad="explicit"'
    )


def _pool(size: int, more: str = "") -> str:
    ends = f'kernel="{size}, {size}" strides="{size}, {size}" pads_begin="0, 0" pads_end="0, 0"'
    return f'{ends} {more} rounding_type="floor" auto_pad="explicit"'


def ir_network(folder: Path, side: int, dim: int, *, half: bool = False, name: str = "net") -> tuple[Path, Path, Any]:
    """A network with every layer that Open Model Zoo's two have: its files, and it as a function of (n, 3, s, s)."""
    rng = np.random.default_rng(side)
    ir, kind = Ir(side, half=half), np.float16 if half else np.float32
    draw = lambda *shape: (rng.normal(size=shape) / 3).astype(kind).astype(np.float32)  # noqa: E731
    scale, shift, stem, slope, depth, head = (
        draw(1, 3, 1, 1) / 128, draw(1, 3, 1, 1), draw(6, 3, 3, 3), draw(6), draw(6, 1, 1, 3, 3), draw(dim, 6, 1, 1)
    )  # fmt: skip
    scale = scale.astype(kind).astype(np.float32)
    half_side, rest = side // 2, side // 4
    ir.add("Multiply", 'auto_broadcast="numpy"', [1, 3, side, side], scale)
    ir.add("Add", 'auto_broadcast="numpy"', [1, 3, side, side], shift)
    ir.add("Convolution", _plan(2, 1), [1, 6, half_side, half_side], stem)
    ir.add("PReLU", "", [1, 6, half_side, half_side], slope)
    ir.add("MaxPool", _pool(2), [1, 6, rest, rest])
    ir.add("GroupConvolution", _plan(1, 1), [1, 6, rest, rest], depth)
    before = ir.last
    ir.add("AvgPool", _pool(rest, 'exclude-pad="true"'), [1, 6, 1, 1])
    ir.add("Sigmoid", "", [1, 6, 1, 1])
    ir.last = ir.layer("Multiply", 'auto_broadcast="numpy"', [1, 6, rest, rest], before, ir.last)
    ir.add("AvgPool", _pool(rest, 'exclude-pad="true"'), [1, 6, 1, 1])
    ir.add("Convolution", _plan(1, 0), [1, dim, 1, 1], head)
    t = [torch.from_numpy(one) for one in (scale, shift, stem, slope, depth, head)]

    def run(x: Tensor) -> Tensor:
        y = F.max_pool2d(F.prelu(F.conv2d(x * t[0] + t[1], t[2], stride=2, padding=1), t[3]), 2)
        y = F.conv2d(y, t[4].reshape(6, 1, 3, 3), padding=1, groups=6)
        y = y * y.mean((2, 3), keepdim=True).sigmoid()
        return F.conv2d(y.mean((2, 3), keepdim=True), t[5]).flatten(1)

    return (*ir.write(folder, name), run)


def ir_points(folder: Path) -> tuple[Path, Path]:
    """As Open Model Zoo's landmark network, and as calm: it sees every face where an aligned one has its points."""
    shares = (TEMPLATE + 0.5 - np.array([10, 12])) / np.array([92, 96])  # of the window that the finder shows it
    ir = Ir(48)
    ir.add("AvgPool", _pool(48, 'exclude-pad="true"'), [1, 3, 1, 1])
    ir.add("Convolution", _plan(1, 0), [1, 10, 1, 1], np.zeros((10, 3, 1, 1)))
    ir.add("Add", 'auto_broadcast="numpy"', [1, 10, 1, 1], np.log(shares / (1 - shares)).reshape(1, 10, 1, 1))
    ir.add("Sigmoid", "", [1, 10, 1, 1])
    return ir.write(folder, "points")


def dlib_files(folder: Path, width: int = 1) -> tuple[Path, Path, dict[str, np.ndarray]]:
    """face-api's manifest and weights of dlib's recogniser, thinner: 32 channels are ``width``; and its tensors."""
    rng = np.random.default_rng(7)
    told, held, tensors = [], b"", {}

    def tensor(name: str, *shape: int) -> None:
        nonlocal held
        scale, least = (
            0.9 / 255 / np.sqrt(max(1, np.prod(shape[:-1]) / 2)),
            -0.45 / np.sqrt(max(1, np.prod(shape[:-1]) / 2)),
        )
        one = {"name": name, "shape": list(shape), "dtype": "float32"}
        if name.endswith("scale/weights"):  # kept as they are
            value = rng.uniform(0.5, 1.5, shape).astype("<f4")
            held += value.tobytes()
        else:
            raw = rng.integers(0, 256, shape, dtype=np.uint8)
            one["quantization"] = {"dtype": "uint8", "scale": scale, "min": least}
            value = raw.astype(np.float32) * np.float32(scale) + np.float32(least)
            held += raw.tobytes()
        told.append(one)
        tensors[name] = value

    def conv(name: str, size: int, inner: int, outer: int) -> None:
        tensor(f"{name}/conv/filters", size, size, inner, outer)
        for part in ("conv/bias", "scale/weights", "scale/biases"):
            tensor(f"{name}/{part}", outer)

    conv("conv32_down", 7, 3, width)
    inner = width
    for name, outer in _UNITS:
        conv(f"{name}/conv1", 3, inner, outer * width)
        conv(f"{name}/conv2", 3, outer * width, outer * width)
        inner = outer * width
    tensor("fc", inner, 128)
    folder.mkdir(parents=True, exist_ok=True)
    manifest, weights = folder / "manifest.json", folder / "weights.bin"
    manifest.write_text(json.dumps([{"paths": ["weights.bin"], "weights": told}]))
    weights.write_bytes(held)
    return manifest, weights, tensors


_UNITS = (
    *((f"conv32_{n}", 1) for n in (1, 2, 3)), ("conv64_down", 2), *((f"conv64_{n}", 2) for n in (1, 2, 3)),
    ("conv128_down", 4), ("conv128_1", 4), ("conv128_2", 4), ("conv256_down", 8), ("conv256_1", 8), ("conv256_2", 8),
    ("conv256_down_out", 8),
)  # fmt: skip


def run_dlib(tensors: dict[str, np.ndarray], x: Tensor) -> Tensor:
    """dlib's network in torch on (n, 3, 150, 150) that is normalised: written from dlib's own description."""
    t = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in tensors.items()}

    def conv(y: Tensor, name: str, stride: int, padding: int) -> Tensor:
        y = F.conv2d(y, t[f"{name}/conv/filters"].permute(3, 2, 0, 1), t[f"{name}/conv/bias"], stride, padding)
        return y * t[f"{name}/scale/weights"][:, None, None] + t[f"{name}/scale/biases"][:, None, None]

    x = F.max_pool2d(conv(x, "conv32_down", 2, 0).relu(), 3, 2)
    for name, _ in _UNITS:
        down = "down" in name
        body = conv(conv(x, f"{name}/conv1", 2 if down else 1, 0 if down else 1).relu(), f"{name}/conv2", 1, 1)
        shortcut = F.avg_pool2d(x, 2) if down else x
        size = [max(one, two) for one, two in zip(body.shape, shortcut.shape)]
        total = torch.zeros(size)
        for part in (body, shortcut):
            total[:, : part.shape[1], : part.shape[2], : part.shape[3]] += part
        x = total.relu()
    return x.mean((2, 3)) @ t["fc"]


def write_yunet(path: Path) -> Path:
    """As YuNet: strides 8, 16, 32 with class, object, box and five points; a face where stride 8 sees green."""
    nodes: list[Any] = []
    weights = {"green": np.array([-1, 1, -1], np.float32).reshape(1, 3, 1, 1) / 255, "no": np.zeros(1, np.float32)}
    offsets = (TEMPLATE - TEMPLATE[1]).ravel()  # from the green disc, in pixels
    ends: dict[str, list[Any]] = {kind: [] for kind in ("cls", "obj", "bbox", "kps")}
    for stride in (8, 16, 32):
        s = str(stride)
        weights[f"shape{s}"], weights[f"wide{s}"] = np.array([1, -1, 1]), np.array([1, 1, 1])
        weights[f"bbox_{s}v"] = np.array([0, 0, *np.log([60 / stride] * 2)], np.float32)[None, None]
        weights[f"kps_{s}v"] = (offsets / stride).astype(np.float32)[None, None]
        nodes += [
            helper.make_node("Conv", ["input", "green"], [f"g{s}"]),
            helper.make_node("Relu", [f"g{s}"], [f"q{s}"]),
            helper.make_node("MaxPool", [f"q{s}"], [f"p{s}"], kernel_shape=[stride] * 2, strides=[stride] * 2),
            helper.make_node("Reshape", [f"p{s}", f"shape{s}"], [f"r{s}"]),
            helper.make_node("Mul", [f"r{s}", "no"], [f"z{s}"]),
            helper.make_node("Add", [f"r{s}", f"z{s}"] if stride == 8 else [f"z{s}", f"z{s}"], [f"cls_{s}"]),
            helper.make_node("Mul", [f"cls_{s}", f"cls_{s}"], [f"obj_{s}"]),
            helper.make_node("Add", [f"z{s}", f"bbox_{s}v"], [f"bbox_{s}"]),
            helper.make_node("Add", [f"z{s}", f"kps_{s}v"], [f"kps_{s}"]),
        ]
        for kind, count in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            ends[kind].append(helper.make_tensor_value_info(f"{kind}_{s}", TensorProto.FLOAT, [1, f"k{s}", count]))
    start = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "h", "w"])
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny", [start], [one for kind in ends.values() for one in kind], tensors)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), path)
    return path
