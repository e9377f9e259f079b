"""insightface's model packs, from a local folder or zip: which of a pack's files is its recogniser, which its detector.

A pack is a handful of ONNX files whose names differ from pack to pack. insightface tells them apart by the shapes of
their inputs and outputs, and so does this. Nothing is downloaded: ``faceleak fetch buffalo_l`` does that.
"""

from __future__ import annotations

import functools
import hashlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..core.archives import hungry
from ..core.errors import InputError
from ..core.extras import need
from ..core.onnx_file import describe_error, read_whole
from ..core.paths import expand

PREFIX = "insightface:"
Task = Literal["recognition", "detection"]
Source = Path | zipfile.Path  # both know ``name`` and ``open``


@dataclass(frozen=True)
class PackModel:
    """One file of a pack.

    Args:
        source: where it is read from.
        task: ``recognition``, ``detection``, or empty for what the suite has no use for.
        size: side in pixels of the square that it takes; 0 where it is open.
        normalises: whether the graph brings mean and standard deviation itself, so that it takes 0..255.
        sha256: of the file, in hexadecimal.
    """

    source: Source
    task: str
    size: int
    normalises: bool
    sha256: str


def find_pack(text: str, owner: str) -> Path:
    """The folder or zip of a pack.

    Args:
        text: ``insightface:NAME``, looked for where insightface keeps its packs (``~/.insightface/models``), then in
            FACELEAK_WEIGHTS and FACELEAK_DATA; or a path, ``${VARIABLES}`` and ``~`` allowed.
        owner: who asks, for messages.

    Raises:
        InputError: nothing is there; the message names the places.
    """
    if not text.startswith(PREFIX):
        path = Path(expand(text))
        if not text or not path.exists():
            raise InputError(
                f"{owner}: there is no pack at {text!r}; give a folder or a zip, or a name such as {PREFIX}buffalo_l."
            )
        return path
    name = text.removeprefix(PREFIX)
    if not name or Path(name).name != name:
        raise InputError(f"{owner}: {text!r} names no pack; write {PREFIX}buffalo_l, or the path of a folder or zip.")
    places = [Path.home() / ".insightface" / "models"]
    given = (os.environ.get(variable) for variable in ("FACELEAK_WEIGHTS", "FACELEAK_DATA"))
    places += [Path(folder).expanduser() for folder in given if folder]
    for place in places:
        for path in (place / name, place / f"{name}.zip"):
            if path.exists():
                return path
    raise InputError(
        f"{owner}: no pack {name!r} (a folder or {name}.zip) in {' or '.join(map(str, places))}; get it with "
        f"`faceleak fetch {name}`, or give the path of a folder or zip."
    )


def has_pack(text: str) -> bool:
    """Whether ``find_pack`` would find it."""
    try:
        return bool(find_pack(text, ""))
    except InputError:
        return False


def find_model(text: str, task: Task, owner: str) -> PackModel:
    """The file of a pack that does ``task``.

    Args:
        text: as for ``find_pack``.
        task: what it must do.
        owner: who asks, for messages.

    Raises:
        InputError: no pack, a file that is no ONNX, no file for the task, or several.
    """
    pack = find_pack(text, owner)
    try:
        sources = list(_sources(pack))
        stamp = tuple((source.name, *_stamp(pack, source)) for source in sources)
        found = [model for model in _models(str(pack), stamp) if model.task == task]
    except InputError as error:
        raise InputError(f"{owner}: {error}") from error
    except Exception as error:  # zipfile raises what damaged bytes make of it
        raise InputError(f"{owner}: {pack} is no sound zip ({describe_error(error)}); get it again.") from error
    if len(found) == 1:
        return found[0]
    names = ", ".join(source.name for source in sources) or "no ONNX file"
    if not found:
        raise InputError(f"{owner}: {pack} holds no {task} model (it has {names}); use another pack.")
    twins = ", ".join(model.source.name for model in found)
    raise InputError(f"{owner}: {pack} holds several {task} models ({twins}); keep one of them in the folder.")


def _sources(pack: Path) -> Iterator[Source]:
    """The ONNX files, in the order of their names."""
    if pack.is_dir():
        yield from sorted(pack.rglob("*.onnx"))
    else:
        with zipfile.ZipFile(pack) as archive:
            graphs = [one for one in archive.infolist() if one.filename.endswith(".onnx")]
            if any(map(hungry, graphs)):
                raise InputError(f"{pack} is packed by LZMA, which may ask for any memory; pack it by deflate.")
            names = sorted(one.filename for one in graphs)
        yield from (zipfile.Path(pack, name) for name in names)


def _stamp(pack: Path, source: Source) -> tuple[int, int]:
    status = (source if isinstance(source, Path) else pack).stat()
    return status.st_size, status.st_mtime_ns


@functools.lru_cache(maxsize=16)
def _models(pack: str, stamp: tuple[tuple[str, int, int], ...]) -> tuple[PackModel, ...]:
    """All files of a pack; read again only when one of them has changed."""
    del stamp  # part of the cache key only
    return tuple(_model(source) for source in _sources(Path(pack)))


def _model(source: Source) -> PackModel:
    onnx = need("onnx", "Packs of ONNX files")
    try:
        with source.open("rb") as file:
            content = read_whole(file)
        graph = onnx.load_model_from_string(content).graph
    except Exception as error:  # protobuf's errors share no public base class
        raise InputError(f"{source} is no readable ONNX file; it may be cut: get the pack again.") from error
    constants = {item.name for item in graph.initializer}  # old files list weights as inputs
    inputs = [_shape(item) for item in graph.input if item.name not in constants]
    task, size = _task(inputs, [_shape(item) for item in graph.output])
    return PackModel(source, task, size, _normalises(graph), hashlib.sha256(content).hexdigest())


def _shape(value: Any) -> list[int]:
    """Numbers of a tensor's shape, 0 where one is open."""
    return [item.dim_value for item in value.type.tensor_type.shape.dim]


def _task(inputs: list[list[int]], outputs: list[list[int]]) -> tuple[str, int]:
    """What a graph of these shapes does, and the side of its input.

    As insightface routes: five outputs or more are a detector; one square input of at least 112 pixels that 16 divides
    is a recogniser, but 192 is the landmark models' and 96 that of age and sex. The output must be a vector.
    """
    if len(outputs) >= 5:
        return "detection", 0
    if len(inputs) == 1 and len(inputs[0]) == 4 and len(outputs) == 1 and len(outputs[0]) == 2:
        height, width = inputs[0][2:]
        if height == width and height >= 112 and height % 16 == 0 and height != 192:
            return "recognition", height
    return "", 0


def _normalises(graph: Any) -> bool:
    """Whether the graph subtracts and scales by itself: insightface looks for both among the first eight nodes."""
    names = [node.name for node in graph.node[:8]]
    return all(any(name.startswith(prefixes) for name in names) for prefixes in (("Sub", "_minus"), ("Mul", "_mul")))
