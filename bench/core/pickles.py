"""What can be known of a pickle before it is read: that it reserves no more than it holds, and which names it asks for.

torch's ``weights_only`` runs no code, but it reserves whatever memory a file names: ``bytearray(2**40)``, a storage of
that many numbers, a compressed record. Here the names that it may call are fewer, and sizes are those of the file.
"""

from __future__ import annotations

import io
import mmap
import pickletools
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

_MEMO = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_CALLED = frozenset({
    "collections OrderedDict", "collections defaultdict", "collections Counter", "_codecs encode",
    "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state", "torch.nn.parameter Parameter", "torch Size", "torch device",
    "torch.serialization _get_layout", "__builtin__ set", "builtins set", "builtins complex",
})  # fmt: skip
_LEGACY = 5  # pickles that an old checkpoint begins with: magic, version, system, content, storages


def check_sizes(data: bytes) -> None:
    """Stop before a reader reserves what the file does not hold: lengths beyond its end, memo places by the billion.

    Raises:
        ValueError: the pickle is cut, or no pickle.
    """
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if opcode.name in _MEMO and int(argument or 0) > 2 * count + 256:
            raise ValueError(f"place {argument} of its memo is out of order")


def load_tensors(file: Path | io.BytesIO) -> Any:
    """``torch.load`` with ``weights_only`` of a file whose sizes and names were looked at.

    Raises:
        Exception: of any kind, from torch; ValueError for what is refused before.
    """
    import torch

    with file.open("rb") if isinstance(file, Path) else file as opened:
        size = opened.seek(0, io.SEEK_END)
        opened.seek(0)
        zipped = opened.read(4) == b"PK\3\4"  # what torch goes by
        opened.seek(0)
        if zipped:
            _check_zip(opened, size)
        else:
            # A file that is asked for more bytes than it has reserves them; a map of it does not.
            held = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) if isinstance(file, Path) else opened
            for _ in range(_LEGACY):
                _check_content(held, size)
        opened.seek(0)
        return torch.load(opened, map_location="cpu", weights_only=True)


def _check_zip(opened: BinaryIO, size: int) -> None:
    with zipfile.ZipFile(opened) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > size:
                raise ValueError(f"its part {member.filename[:80]!r} is compressed, which torch never writes")
            if member.filename.endswith(".pkl"):
                _check_content(io.BytesIO(archive.read(member)), size)


def _check_content(opened: Any, size: int) -> None:
    """One pickle, from where ``opened`` stands to its end; ``size`` is that of the whole file."""
    number = 0
    for opcode, argument, _ in pickletools.genops(opened):
        if opcode.name == "GLOBAL" and argument not in _CALLED and not _is_type(str(argument)):
            raise ValueError(f"it asks for {str(argument)[:80].replace(' ', '.')}, which no weights need")
        if opcode.name in ("STACK_GLOBAL", "INST"):
            raise ValueError("it names what it asks for in a way that torch does not write")
        if isinstance(argument, int):
            number = argument
        elif opcode.name == "BINPERSID" and not 0 <= number <= size:
            raise ValueError(f"one of its storages says that it has {number} numbers, the file has {size} bytes")


def _is_type(name: str) -> bool:
    """``torch FloatStorage`` and ``torch float32``: kinds of numbers."""
    module, _, word = name.partition(" ")
    known = word.endswith("Storage") and word not in ("UntypedStorage", "TypedStorage")
    return module in ("torch", "torch.storage", "torch.cuda") and (known or (word.islower() and word[-1:].isdigit()))
