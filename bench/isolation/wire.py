"""Questions and answers between the harness and an attack's process, over a socket.

Messages are JSON and the bytes of tensors. The harness never unpickles what an attack's process sends: a pickle is a
program. Either side may ask while it answers, so a question can be answered by a question.
"""

from __future__ import annotations

import builtins
import json
import math
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor

from ..core import errors
from ..core.errors import FaceleakError

Answers = Mapping[str, Callable[..., Any]]


class ProcessDied(RuntimeError):
    """The other side ended without an answer."""


class AttackError(RuntimeError):
    """An error in an attack's process of a class that the harness does not know."""


class RemoteTrace(Exception):
    """The traceback of the other side, shown as the cause of the error here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Peer:
    """One end of the conversation.

    Args:
        connection: to the other end.
        answers: what may be asked of this one, by name.
        device: where tensors go that were on a device at the other end.
    """

    def __init__(self, connection: Connection, answers: Answers, device: torch.device) -> None:
        self._connection, self._answers, self.device = connection, answers, device

    def call(self, word: str, **body: Any) -> Any:
        """Ask the other end and wait for its answer, answering its questions meanwhile.

        Raises:
            ProcessDied: it ended.
            Exception: whatever went wrong there, of the same class where that is known here.
        """
        self._send("ask", word, body)
        while True:
            kind, word, body = self._receive()
            if kind == "answer":
                return body["value"]
            if kind == "error":
                raise _error(body) from RemoteTrace(body["trace"])
            self._answer(word, body)

    def serve(self) -> None:
        """Answer until the other end hangs up."""
        while True:
            try:
                _, word, body = self._receive()
            except ProcessDied:
                return
            self._answer(word, body)

    def close(self) -> None:
        self._connection.close()

    def _answer(self, word: str, body: dict[str, Any]) -> None:
        try:
            if word not in self._answers:
                raise errors.ThreatModelError(f"{word!r} is nothing that can be asked for.")
            value = self._answers[word](**body)
        except ProcessDied:
            raise
        except Exception as error:
            trace = "".join(traceback.format_exception(error))
            self._send("error", word, {"class": _named(error), "message": str(error), "trace": trace})
        else:
            self._send("answer", word, {"value": value})

    def _send(self, kind: str, word: str, body: Any) -> None:
        tensors: list[Tensor] = []
        packed = _pack(body, tensors)
        parts = [_bytes(tensor) for tensor in tensors]
        head = {"kind": kind, "word": word, "body": packed, "tensors": [shape for shape, _ in parts]}
        try:
            self._connection.send_bytes(json.dumps(head).encode())
            for _, part in parts:
                if len(part):
                    self._connection.send_bytes(part)
        except OSError as error:
            raise ProcessDied(_DIED) from error

    def _receive(self) -> tuple[str, str, dict[str, Any]]:
        try:
            head = json.loads(self._connection.recv_bytes())
            tensors = [self._tensor(shape) for shape in head["tensors"]]
        except (EOFError, OSError) as error:
            raise ProcessDied(_DIED) from error
        return head["kind"], head["word"], _unpack(head["body"], tensors)

    def _tensor(self, shape: dict[str, Any]) -> Tensor:
        flat = torch.empty(math.prod(shape["shape"]), dtype=getattr(torch, shape["dtype"]))
        if flat.numel():
            self._connection.recv_bytes_into(flat.view(torch.uint8).numpy().data)
        tensor = flat.reshape(shape["shape"])
        if shape["last"]:
            tensor = tensor.permute(0, 3, 1, 2)
        return tensor.to(self.device) if shape["away"] else tensor


_DIED = "The plug-in's process ended without an answer: out of memory, or a crash in native code."


def _bytes(tensor: Tensor) -> tuple[dict[str, Any], memoryview]:
    """How a tensor looks and its bytes; the layout decides the last bits of a convolution, so it is told too."""
    away, here = tensor.device.type != "cpu", tensor.detach().cpu()
    last = here.ndim == 4 and not here.is_contiguous() and here.is_contiguous(memory_format=torch.channels_last)
    if last:
        here = here.permute(0, 2, 3, 1)
    flat = here.contiguous().reshape(-1)
    shape = {"dtype": str(here.dtype).split(".")[1], "shape": list(here.shape), "last": last, "away": away}
    return shape, flat.view(torch.uint8).numpy().data if flat.numel() else memoryview(b"")


def _pack(value: Any, tensors: list[Tensor]) -> Any:
    if isinstance(value, bytes):
        value = torch.frombuffer(bytearray(value), dtype=torch.uint8)
        return {"bytes": _pack(value, tensors)["tensor"]}
    if isinstance(value, Tensor):
        tensors.append(value)
        return {"tensor": len(tensors) - 1}
    if isinstance(value, Mapping):
        return {"map": {str(name): _pack(one, tensors) for name, one in value.items()}}
    if isinstance(value, list | tuple):
        return [_pack(one, tensors) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"A {type(value).__name__} cannot be sent between processes; send tensors and plain values.")


def _unpack(value: Any, tensors: list[Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(one, tensors) for one in value]
    if not isinstance(value, dict):
        return value
    if "map" in value:
        return {name: _unpack(one, tensors) for name, one in value["map"].items()}
    found = tensors[value["tensor" if "tensor" in value else "bytes"]]
    return found.numpy().tobytes() if "bytes" in value else found


def _named(error: Exception) -> str:
    """The nearest class that both ends know."""
    known = (kind.__name__ for kind in type(error).__mro__ if _class(kind.__name__) is kind)
    return next(known, "") if isinstance(error, FaceleakError) else type(error).__name__


def _class(name: str) -> type[Exception] | None:
    found = getattr(errors, name, None) or getattr(builtins, name, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _error(body: Mapping[str, str]) -> Exception:
    kind, message = _class(body["class"]), body["message"]
    if kind is None:
        return AttackError(f"{body['class']}: {message}")
    try:
        return kind(message)
    except TypeError:  # a class that is made from more than its message (UnicodeDecodeError)
        return AttackError(f"{body['class']}: {message}")
