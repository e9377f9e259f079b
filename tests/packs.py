"""Tiny ONNX files that do what the models of an insightface pack, and a landmark model, do: for coloured discs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from faceleak.datasets.alignment import TEMPLATE
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw

# One colour per point; each row of weights answers to one of them and to none of the others.
COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255))
_ANSWERS = [[1, -1, -1, 0], [-1, 1, -1, 0], [-1, -1, 1, 0], [1, 1, -1, -255], [-1, 1, 1, -255]]  # R, G, B, bias

Value = tuple[str, Sequence[int | str]]


def _save(path: Path, nodes: list[Any], start: Value, ends: list[Value], weights: dict[str, np.ndarray]) -> Path:
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in (start, *ends)]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny", info[:1], info[1:], tensors)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def discs(points: np.ndarray, size: tuple[int, int], radius: float = 8) -> Image.Image:
    """A black picture with a coloured disc around each of the five ``points``, smooth to a part of a pixel."""
    fine = 4
    picture = Image.new("RGB", (size[0] * fine, size[1] * fine))
    draw = ImageDraw.Draw(picture)
    for (x, y), color in zip((points + 0.5) * fine, COLORS):
        draw.ellipse((x - radius * fine, y - radius * fine, x + radius * fine, y + radius * fine), fill=color)
    return picture.reduce(fine)


def write_landmarks(path: Path, outputs: int = 10) -> Path:
    """(N, 3, 48, 48) BGR in 0..255 -> the middle of each colour's disc, as shares of the sides; NaN without discs."""
    answers = np.array(_ANSWERS, np.float32)
    axis = (np.arange(48, dtype=np.float32) + 0.5) / 48
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["m"]),
        helper.make_node("ReduceSum", ["m", "hw"], ["total"], keepdims=0),
    ]
    for name in ("across", "down"):
        nodes += [
            helper.make_node("Mul", ["m", name], [f"{name}1"]),
            helper.make_node("ReduceSum", [f"{name}1", "hw"], [f"{name}2"], keepdims=0),
            helper.make_node("Div", [f"{name}2", "total"], [f"{name}3"]),
            helper.make_node("Unsqueeze", [f"{name}3", "last"], [f"{name}4"]),
        ]
    nodes += [
        helper.make_node("Concat", ["across4", "down4"], ["points"], axis=2),
        helper.make_node("Flatten", ["points"], ["all"]),
        helper.make_node("Slice", ["all", "zero", "end", "one"], ["y"]),
    ]
    weights = {
        "w": answers[:, [2, 1, 0], None, None], "b": answers[:, 3],
        "across": axis[None, None, None, :], "down": axis[None, None, :, None],
        "hw": np.array([2, 3]), "last": np.array([2]), "zero": np.array([0]), "one": np.array([1]),
        "end": np.array([outputs]),
    }  # fmt: skip
    return _save(path, nodes, ("x", ("n", 3, 48, 48)), [("y", ("n", outputs))], weights)


def write_detector(path: Path, landmarks: bool = True) -> Path:
    """As SCRFD: three strides, two anchors a cell; a face where stride 8 sees green, its points at fixed distances."""
    nodes, ends, groups = [], [], []
    weights: dict[str, np.ndarray] = {
        "col": np.array([-1, 1]),
        "twice": np.array([1, 2]),
        "no": np.zeros(1, np.float32),
    }
    weights["green"] = np.array([-1, 1, -1], np.float32).reshape(1, 3, 1, 1) / 3
    offsets = (TEMPLATE - TEMPLATE[1]).ravel()  # from the green disc
    for stride in (8, 16, 32):
        s = str(stride)
        weights[f"box{s}"] = np.full((1, 4), 60 / stride, np.float32)
        weights[f"points{s}"] = (offsets / stride)[None].astype(np.float32)
        nodes += [
            helper.make_node("Conv", ["x", "green"], [f"g{s}"]),
            helper.make_node("MaxPool", [f"g{s}"], [f"p{s}"], kernel_shape=[stride] * 2, strides=[stride] * 2),
            helper.make_node("Reshape", [f"p{s}", "col"], [f"r{s}"]),
            helper.make_node("Tile", [f"r{s}", "twice"], [f"t{s}"]),  # the two anchors of a cell, side by side
            helper.make_node("Reshape", [f"t{s}", "col"], [f"a{s}"]),
            helper.make_node("Mul", [f"a{s}", "no"], [f"z{s}"]),
            helper.make_node("Identity" if stride == 8 else "Mul", [f"a{s}"] + ["no"] * (stride > 8), [f"score{s}"]),
            helper.make_node("Add", [f"z{s}", f"box{s}"], [f"boxes{s}"]),
            helper.make_node("Add", [f"z{s}", f"points{s}"], [f"kps{s}"]),
        ]
        groups.append([(f"score{s}", (f"k{s}", 1)), (f"boxes{s}", (f"k{s}", 4)), (f"kps{s}", (f"k{s}", 10))])
    for kind in range(3 if landmarks else 2):
        ends += [group[kind] for group in groups]
    return _save(path, nodes, ("x", (1, 3, "h", "w")), ends, weights)


def write_recognizer(path: Path, names: tuple[str, str] = ("Conv_0", "Relu_1"), batch: int | str = "n") -> Path:
    """(batch, 3, 112, 112) -> (batch, 512)."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name=names[0], strides=[16, 16]),
        helper.make_node("Relu", ["a"], ["b"], name=names[1]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "v"], ["e"], transB=1),
    ]
    weights = {
        "w": rng.normal(size=(4, 3, 16, 16)).astype(np.float32) / 28,
        "v": rng.normal(size=(512, 4 * 49)).astype(np.float32) / 14,
    }
    return _save(path, nodes, ("x", (batch, 3, 112, 112)), [("e", (batch, 512))], weights)


def write_other(path: Path, size: int) -> Path:
    """What the suite has no use for: age and sex (96), or landmarks of another kind (192)."""
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    return _save(path, nodes, ("x", ("n", 3, size, size)), [("y", ("n", 3))], {})


def write_pack(folder: Path) -> Path:
    """A pack as buffalo_l is one: four files, told apart by their shapes."""
    write_detector(folder / "det_10g.onnx")
    write_recognizer(folder / "w600k_r50.onnx")
    write_other(folder / "genderage.onnx", 96)
    write_other(folder / "1k3d68.onnx", 192)
    return folder
