"""An ONNX file in two forms: run by ONNX Runtime (no gradients), and converted to torch by onnx2torch (gradients).

Measured on one CPU thread, batch 64: ONNX Runtime is 1.4 to 2 times as fast as the converted network.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .errors import InputError
from .extras import need
from .onnx_file import load_model
from .seeding import Rng

MOST_AT_ONCE = 256  # images of a call where the graph insists on a number


@dataclass(frozen=True)
class Graph:
    """A checked ONNX graph.

    Args:
        content: the serialised model, its batch dimension made dynamic where that works.
        input: name of the image input.
        output: name of the embedding output.
        batch: images per call where the graph insists on a number, else 0.
        cut: height and width of the middle that is handed in, where the graph takes less than a square (SphereFace's
            112x96 is the middle of the 112x112 template); empty for squares.
    """

    content: bytes
    input: str
    output: str
    batch: int
    cut: tuple[int, ...] = ()


def read_graph(path: Path | zipfile.Path, size: int, output: str, owner: str) -> Graph:
    """Read an ONNX file, or a member of a zip, and check that it takes (N, 3, size, size) float32 images.

    Raises:
        InputError: unreadable file, or another input than that; the message says what to set.
    """
    model, content = load_model(path, owner)
    constants = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]  # old files list weights as inputs
    outputs = [item.name for item in model.graph.output]
    if len(inputs) != 1:
        raise InputError(f"{owner}: {path.name} has inputs {[i.name for i in inputs]}; exactly one is supported.")
    if output not in ("", *outputs) or (not output and len(outputs) != 1):
        raise InputError(f"{owner}: {path.name} has outputs {outputs}; set output to the one that holds embeddings.")
    fixed, cut = _check_shape(inputs[0], size, f"{owner}: {path.name}")
    graph = Graph(content, inputs[0].name, output or outputs[0], fixed, cut)
    return _freed(graph, model, size) if fixed else graph


def _check_shape(value: Any, size: int, where: str) -> tuple[int, tuple[int, ...]]:
    """The fixed batch size of the input ``value``, 0 where it is dynamic, and what it takes of the square."""
    tensor = value.type.tensor_type
    # Some exporters write -1 for a side that is any.
    shape = [max(0, item.dim_value) if item.HasField("dim_value") else 0 for item in tensor.shape.dim]
    if tensor.elem_type != 1:  # TensorProto.FLOAT
        raise InputError(f"{where} takes element type {tensor.elem_type}, not float32; export it in float32.")
    if not shape:  # no shape is declared: the trial run decides
        return 0, ()
    if len(shape) != 4 or shape[1] not in (0, 3):
        raise InputError(f"{where} takes shape {shape}, not (N, 3, H, W); export it with channels first.")
    if shape[0] > MOST_AT_ONCE:
        raise InputError(f"{where} takes {shape[0]} images at once, more than {MOST_AT_ONCE}; export a dynamic batch.")
    if max(shape[2:]) not in (0, size):
        raise InputError(f"{where} takes {shape[2]}x{shape[3]} images, size is {size}; set size = {max(shape[2:])}.")
    square = len(set(shape[2:]) - {0}) <= 1
    return int(shape[0]), () if square else tuple(shape[2:])


def cut(x: Tensor, sides: tuple[int, ...]) -> Tensor:
    """(N, 3, H, W) -> the middle of ``sides``; all of it where they are empty."""
    if not sides:
        return x
    top, left = ((have - want) // 2 for have, want in zip(x.shape[2:], sides, strict=True))
    return x[:, :, top : top + sides[0], left : left + sides[1]]


def check_answers(z: Tensor, what: str) -> None:
    """Refuse features that do not depend on the picture: everybody would be everybody's match.

    Args:
        z: (N, D) features of different images.
        what: for the message.

    Raises:
        InputError: they are the same for all, or zero.
    """
    spread = (z - z.mean(0)).norm() / z.norm().clamp(min=1e-12)
    if len(z) > 1 and not float(spread) > 1e-6:
        raise InputError(
            f"{what} gives the same features for every picture; its weights are missing or zero, or this is another "
            "output or scale than it was trained with."
        )


def _freed(graph: Graph, model: Any, size: int) -> Graph:
    """``graph`` with a dynamic batch dimension, if it then gives what it gave; else unchanged.

    Exports with batch 1 are common, and most run with any batch once the declaration is gone. A graph that reshapes
    to a constant batch does not, and is called ``graph.batch`` images at a time.
    """
    for value in [*model.graph.input, *model.graph.output]:
        if value.name in (graph.input, graph.output) and value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "n"
    del model.graph.value_info[:]  # inferred for the old batch
    free = Graph(model.SerializeToString(), graph.input, graph.output, 0, graph.cut)
    x = trial_images(size, 2 * graph.batch + 1)
    try:
        same = relative_difference(RuntimeNet(free)(x), RuntimeNet(graph)(x)) <= 1e-4
    except Exception:  # a reshape to the old batch; ONNX Runtime's errors share no public base class
        return graph
    return free if same else graph


def trial_images(size: int, n: int) -> Tensor:
    """(n, 3, size, size) [0, 1]: the fixed random images that two forms of a network are compared on."""
    return Rng(0, "onnx trial").uniform(torch.arange(n), (3, size, size))


def relative_difference(a: Tensor, b: Tensor) -> float:
    """Norm of a - b over the norm of b; infinite where shapes differ or a value is not finite."""
    if a.shape != b.shape:
        return float("inf")
    ratio = float((a - b).norm() / b.norm().clamp(min=1e-12))
    return ratio if ratio == ratio else float("inf")


def in_calls(net: Callable[[Tensor], Tensor], x: Tensor, batch: int, *, exact: bool) -> Tensor:
    """``net`` on (N, ...) in calls of at most ``batch`` samples; ``exact`` fills the last call up and cuts it again."""
    parts = []
    for part in torch.split(x, batch):
        n = len(part)
        if exact and n < batch:
            part = torch.cat([part, part[-1:].expand(batch - n, *part.shape[1:])])
        parts.append(net(part)[:n])
    return torch.cat(parts)


class RuntimeNet:
    """The graph under ONNX Runtime on the CPU: (N, 3, H, W) -> (N, D), no gradients.

    Can be copied and pickled: the session, which cannot, is opened on first use.

    Args:
        graph: what to run.
        batch: images per call where the graph leaves it open; bounds memory.
    """

    def __init__(self, graph: Graph, batch: int = 64) -> None:
        self.graph, self.batch = graph, batch
        self._session: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> RuntimeNet:
        return RuntimeNet(self.graph, self.batch)

    def __call__(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) on any device -> (N, D) on the same, of any norm."""
        fixed = self.graph.batch
        part = cut(x.detach(), self.graph.cut)
        return in_calls(self._run, part, fixed or self.batch, exact=bool(fixed)).to(x.device)

    def _run(self, x: Tensor) -> Tensor:
        if self._session is None:
            self._session = open_session(self.graph.content)
        (z,) = self._session.run([self.graph.output], {self.graph.input: x.float().cpu().contiguous().numpy()})
        return torch.from_numpy(z).flatten(1)


def open_session(content: bytes) -> Any:
    """An ONNX Runtime session on the CPU, with as many threads as torch has."""
    onnxruntime = need("onnxruntime", "Recognizers in ONNX files")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; warnings about unused weights are nothing a user can act on
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


class TorchNet(nn.Module):
    """The graph converted to torch: (N, 3, H, W) -> (N, D), with gradients.

    Raises:
        Exception: of any kind, from onnx2torch: an operation or a pattern that it does not know.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        onnx, convert = (need(name, "Gradients of ONNX files") for name in ("onnx", "onnx2torch"))
        model = onnx.load_model_from_string(graph.content)
        for number, node in enumerate(model.graph.node):
            node.name = f"node_{number}"  # torch writes names into a program that it runs; a file's could be one
        keep = [item for item in model.graph.output if item.name == graph.output]
        del model.graph.output[:]
        model.graph.output.extend(keep)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # onnx2torch copies read-only arrays and torch warns of it
            self.net: nn.Module = _mended(convert.convert(model))
        self.batch, self.cut = graph.batch, graph.cut

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, D) of any norm."""
        x = cut(x, self.cut)
        if self.batch:
            return in_calls(self._run, x, self.batch, exact=True)
        return self._run(x)

    def _run(self, x: Tensor) -> Tensor:
        z: Tensor = self.net(x)
        return z.flatten(1)


class _Slice(nn.Module):
    """ONNX Slice, opset 10 on. onnx2torch's own indexes with a list, which torch deprecates and will redefine."""

    def forward(
        self, x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
    ) -> Tensor:
        """``x`` cut to start:end:step along each axis."""
        places = range(len(starts)) if axes is None else axes.tolist()
        strides = [1] * len(starts) if steps is None else steps.tolist()
        index = [slice(None)] * x.ndim
        for axis, start, end, step in zip(places, starts.tolist(), ends.tolist(), strides):
            if step < 0:  # torch has no negative steps; mirrored, they are positive
                x, start, end, step = x.flip(axis), -start - 1, -end - 1, -step
            index[axis] = slice(start, end, step)
        return x[tuple(index)]


class _Extremum(nn.Module):
    """ONNX Min and Max. onnx2torch's own stacks its inputs: a ReLU6 written so takes longer than a convolution."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.least = kind == "Min"

    def forward(self, *x: Tensor) -> Tensor:
        """The least or largest of all, elementwise."""
        return reduce(self._of_two, x)

    def _of_two(self, a: Tensor, b: Tensor) -> Tensor:
        if b.ndim or b.device.type != "cpu":  # reading a bound would wait for the device
            return torch.minimum(a, b) if self.least else torch.maximum(a, b)
        bound = float(b)
        return a.clamp(max=bound) if self.least else a.clamp(min=bound)


def _mended(net: Any) -> nn.Module:
    """``net`` with what onnx2torch does slowly or not any more replaced, in the layout that convolutions like."""
    for name, module in list(net.named_modules()):
        if type(module).__name__ == "OnnxSlice":
            net.set_submodule(name, _Slice())
        elif type(module).__name__ == "OnnxMinMax":
            net.set_submodule(name, _Extremum("Min" if module._operator is torch.amin else "Max"))
    module = net.to(memory_format=torch.channels_last)
    assert isinstance(module, nn.Module)
    return module
