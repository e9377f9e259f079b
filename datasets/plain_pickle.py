"""Pickles of plain data, read without running or allocating what they ask for.

A pickle can run any program that it names, and reserve any memory. Here it may build lists, bytes, numbers and numpy
arrays, and nothing that is larger than the file.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..bench.core.errors import DataError
from ..bench.core.pickles import check_sizes

MOST = 8 << 30  # bytes of a file: the largest verification sets have one
_CLASS = object()  # stands for numpy.ndarray, which a pickle names but must not call


class _Refused(Exception):
    """What a pickle asks for and no data needs."""


class _Dtype:
    """numpy's dtype of numbers, objects and short texts; the real one believes any state, as fields beyond its end."""

    def __init__(self, name: Any, align: Any = False, copy: Any = False) -> None:
        del align, copy
        self.real = np.dtype(name)
        if self.real.kind not in "biufOSU" or self.real.itemsize > 1 << 24:
            raise _Refused(f"elements of the type {self.real}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Of the state the order of bytes is taken, for the rest follows from the name."""
        if state[1] in ("<", ">"):
            self.real = self.real.newbyteorder(state[1])
        if any(state[2:5]):
            raise _Refused("elements with parts")


class _Array(np.ndarray):
    """An array whose content is checked before it is taken."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:  # type: ignore[override]
        _, shape, dtype, by_column, data = state
        if not isinstance(dtype, _Dtype) or not all(isinstance(side, int) and side >= 0 for side in shape):
            raise _Refused("an array of other make")
        held = len(data) if dtype.real.hasobject else len(data) // max(1, dtype.real.itemsize)
        if not isinstance(data, list if dtype.real.hasobject else bytes) or math.prod(shape) != held:
            raise _Refused("an array of another size than its content")
        super().__setstate__((1, tuple(shape), dtype.real, bool(by_column), data))  # type: ignore[arg-type]


def _empty(kind: object, shape: object = (0,), typecode: object = b"b") -> np.ndarray:
    """numpy's _reconstruct, for the one call that pickles hold: the content comes with the state."""
    if kind is not _CLASS or shape != (0,):
        raise _Refused("an array of other make")
    return _Array((0,), np.int8)


def _from_buffer(buffer: bytes, dtype: _Dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    """numpy's _frombuffer: arrays under protocol 5."""
    return np.frombuffer(buffer, dtype=dtype.real).reshape(shape, order=order)  # type: ignore[call-overload]


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    """numpy's scalar."""
    if dtype.real.hasobject or len(data) != dtype.real.itemsize:
        raise _Refused("a number of another size than its bytes")
    return np.frombuffer(data, dtype.real)[0]


def _bytearray(data: bytes | str = b"", encoding: str = "latin-1") -> bytes:
    """A bytearray's bytes; a number would be a length to reserve."""
    return _encode(data, encoding) if isinstance(data, str) else bytes(memoryview(data))


def _encode(text: str, encoding: str = "latin-1") -> bytes:
    """How bytes travel under protocols 0 to 2; other codecs unpack and grow."""
    if encoding.lower().replace("-", "").replace("_", "") != "latin1":
        raise _Refused(f"the codec {encoding[:20]}")
    return text.encode("latin-1")


_ALLOWED: dict[tuple[str, str], Callable[..., Any] | object] = {
    ("numpy", "ndarray"): _CLASS,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    **{(module, "bytearray"): _bytearray for module in ("builtins", "__builtin__")},
    **{(module, "bytes"): _bytearray for module in ("builtins", "__builtin__")},
    **{
        (f"numpy.{core}.{module}", name): found
        for core in ("core", "_core")
        for module, name, found in (
            ("multiarray", "_reconstruct", _empty), ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}  # fmt: skip


class _Reader(pickle.Unpickler):
    """Builds plain data; a name outside the list stops the reading before anything is called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        return _ALLOWED[module, name]


def load_plain(file: Path) -> Any:
    """What the pickle holds.

    Raises:
        DataError: unreadable, damaged, or it asks for more than plain data.
    """
    try:
        if file.stat().st_size > MOST:
            raise DataError(f"{file} has {file.stat().st_size >> 30} GiB, more than any verification set.")
        data = file.read_bytes()
        check_sizes(data)
        return _Reader(io.BytesIO(data), encoding="bytes").load()
    except DataError:
        raise
    except _Refused as error:
        raise DataError(
            f"{file} was not read: it asks for {error}, which no set of pictures needs. It may be malicious; get it "
            "from where it was published."
        ) from None
    except (Exception, RecursionError, MemoryError) as error:  # what a damaged pickle raises is anything
        raise DataError(f"{file} is no verification set ({type(error).__name__}: {error}); get it anew.") from error
