"""The tensors of a network that NVIDIA's releases keep as a pickle (.pkl), without running anything that stands in it.

Such a file is a dictionary of networks, G_ema among them, and each module in it is its source code, which the releases
execute, and its state. Here every name in the file stands for an empty object that takes whatever it is given, and only
the few from which torch builds tensors mean something. No module is imported and no source is looked at; the tensors'
own bytes are read by torch with ``weights_only``.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.pickles import check_sizes, load_tensors

_NETWORK = "G_ema"  # the generator whose weights were averaged over training


class _Inert:
    """Stands for an object of any class: keeps what it is told, and does nothing."""

    def __init__(self, *parts: object) -> None:
        del parts
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, key: object, value: object) -> None:
        """Entries of what was a dictionary are not kept."""

    def append(self, value: object) -> None:
        """Nor are those of a list."""


def _module(about: dict[str, Any]) -> _Inert:
    """What the releases rebuild from source: only the state is taken."""
    module = _Inert()
    module.state = about["state"]
    return module


def _storage(content: bytes) -> torch.TypedStorage:
    return load_tensors(io.BytesIO(content))  # type: ignore[no-any-return]


def _tensor(
    storage: torch.TypedStorage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> Tensor:
    content = storage._untyped_storage
    line = torch.empty(0, dtype=storage.dtype).set_(content, 0, (content.nbytes() // storage.dtype.itemsize,), (1,))
    return line.as_strided(size, stride, offset)  # refuses to reach beyond the storage


def _parameter(tensor: Tensor, *_: object) -> Tensor:
    return tensor


_KNOWN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _module,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """One of the few above, or the empty object: nothing is looked up anywhere else."""
        return _KNOWN.get((module, name), _Inert)


def read_network_pickle(path: Path, owner: str) -> dict[str, Tensor]:
    """The state dict of the averaged generator in a network pickle of StyleGAN2-ADA or StyleGAN3.

    Args:
        path: the file.
        owner: who asks, for messages.

    Raises:
        InputError: it is no such pickle.
    """
    try:
        data = path.read_bytes()
        check_sizes(data)
        content = _Reader(io.BytesIO(data)).load()
        state = dict(_tensors(content[_NETWORK], ""))
    except Exception as error:  # a damaged pickle may raise anything
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise InputError(
            f"{owner}: {path} does not read as a network pickle of stylegan2-ada-pytorch or stylegan3 "
            f"({type(error).__name__}: {reason}). Only tensors are taken out of a pickle: reading it any other way may "
            "run code in it. Where you trust the file, convert it once, in a checkout of one of these: "
            f"torch.save(legacy.load_network_pkl(open(FILE, 'rb'))['{_NETWORK}'].state_dict(), 'generator.pt'), and "
            "give the path of generator.pt."
        ) from error
    return state


def _tensors(module: _Inert, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers by name, as torch keeps them in the state of a module."""
    for kind in ("_parameters", "_buffers"):
        for name, value in module.state[kind].items():
            if isinstance(value, Tensor):
                yield prefix + name, value
    for name, child in module.state["_modules"].items():
        yield from _tensors(child, f"{prefix}{name}.")
