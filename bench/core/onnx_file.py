"""Reading an ONNX file: its size, its form, and that its weights lie in it or beside it and nowhere else."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

from .errors import InputError
from .extras import need

MOST_BYTES = (1 << 31) - 1  # of a serialised model; protobuf takes no more


def load_model(path: Path | zipfile.Path, owner: str) -> tuple[Any, bytes]:
    """The checked model, with the weights that lie beside its file, and its bytes.

    Raises:
        InputError: no ONNX file, weights that lie elsewhere, or more than 2 GB, which is protobuf's limit.
    """
    onnx = need("onnx", "Recognizers in ONNX files")
    try:
        with path.open("rb") as file:
            model = onnx.load_model_from_string(_at_most(file.read(MOST_BYTES + 1)))
        if outside := [place for place in _external(model) if not _beside(path, place)]:
            raise ValueError(f"its weights are said to be in {outside[0]!r}, which is no file beside it")
        if isinstance(path, Path):
            onnx.load_external_data_for_model(model, str(path.parent))
        onnx.checker.check_model(model)
        return model, model.SerializeToString()
    except Exception as error:  # protobuf, checker and file errors share no base class
        raise InputError(
            f"{owner}: {path} is not a readable ONNX file ({describe_error(error)}); copy it again, it may be cut."
        ) from error


def _at_most(content: bytes) -> bytes:
    if len(content) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES >> 20} MiB")
    return content


def _external(model: Any) -> Iterator[str]:
    """Files that tensors of the model say their values are in, wherever in the graph they stand."""
    graphs = [model.graph]
    tensors = []
    while graphs:
        graph = graphs.pop()
        tensors += graph.initializer
        for node in [*graph.node, *(node for function in model.functions for node in function.node)]:
            for attribute in node.attribute:
                tensors += [attribute.t, *attribute.tensors]
                graphs += [inner for inner in (attribute.g, *attribute.graphs) if inner.node]
    for tensor in tensors:
        if tensor.data_location == 1:  # TensorProto.EXTERNAL
            yield from (entry.value for entry in tensor.external_data if entry.key == "location")


def _beside(path: Path | zipfile.Path, place: str) -> bool:
    """Whether ``place`` is a file in the folder of ``path``; a zip's member has none."""
    parts = PureWindowsPath(place).parts
    inside = bool(parts) and ".." not in parts and not PureWindowsPath(place).anchor
    return isinstance(path, Path) and inside and (path.parent / place).is_file()


def describe_error(error: Exception) -> str:
    """The first line of an exception, at most 200 characters."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
