"""Reading an ONNX file: its size, its form, and that its weights lie in it or beside it and nowhere else."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path, PureWindowsPath
from typing import IO, Any

from .errors import InputError
from .extras import need

MOST_BYTES = (1 << 31) - 1  # of a serialised model; protobuf takes no more
MOST_NUMBERS = 1 << 28  # of a value on the way through a graph, for one picture; networks of faces have 2^24
_PROGRAMS = frozenset({"Loop", "Scan", "SequenceMap", "StringNormalizer", "TfIdfVectorizer", "StringSplit"})
_SHAPED = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1, "Reshape": 1, "Resize": 3}  # which input is a shape, or sizes
_BLOCK = 1 << 24  # bytes
_SMALL = 1 << 12  # bytes of a constant that may decide a shape


def load_model(path: Path | zipfile.Path, owner: str) -> tuple[Any, bytes]:
    """The checked model, with the weights that lie beside its file, and its bytes.

    Raises:
        InputError: no ONNX file, weights that lie elsewhere, more than 2 GB, which is protobuf's limit, or a graph that
            computes longer or larger things than a recogniser does.
    """
    onnx = need("onnx", "Recognizers in ONNX files")
    try:
        with path.open("rb") as file:
            model = onnx.load_model_from_string(read_whole(file))
        _check_outside(model, path)
        _check_nodes(model)
        if isinstance(path, Path):
            onnx.load_external_data_for_model(model, str(path.parent))
        onnx.checker.check_model(model)
        _check_shapes(model)
        _check_values(model)
        return model, model.SerializeToString()
    except Exception as error:  # protobuf, checker and file errors share no base class
        raise InputError(
            f"{owner}: {path} is not a readable ONNX file ({describe_error(error)}); copy it again, it may be cut."
        ) from error


def read_whole(file: IO[bytes]) -> bytes:
    """What ``file`` holds, read in blocks: asked for all at once, Python reserves as much as it is asked for.

    Raises:
        ValueError: more than ``MOST_BYTES``.
    """
    blocks: list[bytes] = []
    while block := file.read(_BLOCK):
        blocks.append(block)
        if len(blocks) * _BLOCK > MOST_BYTES + _BLOCK:
            raise ValueError(f"it has more than {MOST_BYTES >> 20} MiB")
    return b"".join(blocks)


def _parts(model: Any) -> tuple[list[Any], list[Any]]:
    """All nodes and all tensors of a model, wherever in it they stand."""
    graphs, nodes, tensors = [model.graph], [node for function in model.functions for node in function.node], []
    seen = 0
    while graphs:
        graph = graphs.pop()
        nodes += graph.node
        tensors += graph.initializer
        for sparse in graph.sparse_initializer:
            tensors += [sparse.values, sparse.indices]
        for node in nodes[seen:]:
            for attribute in node.attribute:
                tensors += [attribute.t, *attribute.tensors]
                graphs += [inner for inner in (attribute.g, *attribute.graphs) if inner.node or inner.initializer]
        seen = len(nodes)
    return nodes, tensors


def _check_outside(model: Any, path: Path | zipfile.Path) -> None:
    """Weights in other files: beside this one, and all of them together no larger than a model may be."""
    total = 0
    for tensor in _parts(model)[1]:
        if tensor.data_location != 1:  # TensorProto.EXTERNAL
            continue
        told = {entry.key: entry.value for entry in tensor.external_data}
        place = told.get("location", "")
        if not _beside(path, place):
            raise ValueError(f"its weights are said to be in {place[:200]!r}, which is no file beside it")
        total += int(told.get("length") or (path.parent / place).stat().st_size)
        if not 0 <= total <= MOST_BYTES or int(told.get("offset") or 0) < 0:
            raise ValueError(f"its weights in other files are said to have {total} bytes")


def _check_nodes(model: Any) -> None:
    """Refuse what computes as long as it likes, and names that are none."""
    for node in _parts(model)[0]:
        if node.op_type in _PROGRAMS:
            raise ValueError(f"it holds a {node.op_type}, which no recogniser needs")
        if not all(letter.isalnum() or letter in "._-" for letter in node.domain + node.op_type):
            raise ValueError(f"it has an operation called {node.op_type[:80]!r} of {node.domain[:80]!r}")


def _check_shapes(model: Any) -> None:
    """Refuse shapes that no value can have: what computes with them may end the process."""
    onnx = need("onnx", "Recognizers in ONNX files")
    nodes, tensors = _parts(model)
    small = {one.name: one for one in tensors if one.data_type == onnx.TensorProto.INT64 and one.ByteSize() <= _SMALL}
    for node in nodes:
        place = _SHAPED.get(node.op_type, -1)
        if 0 <= place < len(node.input) and node.input[place] in small:
            shape = onnx.numpy_helper.to_array(small[node.input[place]]).ravel().tolist()
            least = -1 if node.op_type == "Reshape" else 0  # there -1 is what is left
            if min(shape, default=0) < least or math.prod(map(abs, filter(None, shape))) > MOST_NUMBERS:
                raise ValueError(f"a {node.op_type} would have {shape[:8]} numbers")


def _check_values(model: Any) -> None:
    """Refuse a graph whose values, as far as their shapes follow from it, are larger than any network's."""
    onnx = need("onnx", "Recognizers in ONNX files")
    slim = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    slim.graph.name = "shapes"
    slim.graph.node.extend(model.graph.node)
    slim.graph.input.extend(model.graph.input)
    slim.graph.output.extend(model.graph.output)
    known = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if tensor.ByteSize() <= _SMALL:
            slim.graph.initializer.append(tensor)
        elif tensor.name not in known:
            slim.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    try:
        found = onnx.shape_inference.infer_shapes(slim, data_prop=True).graph
    except Exception:  # it says nothing of graphs that it does not understand; ONNX Runtime does when it runs them
        return
    for value in [*found.value_info, *found.output, *found.input]:
        count = math.prod(max(1, side.dim_value) for side in value.type.tensor_type.shape.dim)
        if count > MOST_NUMBERS:
            raise ValueError(f"its value {value.name[:80]!r} would have {count} numbers")


def _beside(path: Path | zipfile.Path, place: str) -> bool:
    """Whether ``place`` is a file in the folder of ``path``; a zip's member has none."""
    parts = PureWindowsPath(place).parts
    inside = bool(parts) and ".." not in parts and not PureWindowsPath(place).anchor
    return isinstance(path, Path) and inside and (path.parent / place).is_file()


def describe_error(error: Exception) -> str:
    """The first line of an exception, at most 200 characters."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
