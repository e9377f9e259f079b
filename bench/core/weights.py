"""Weights files: finding, checking and reading them, without running anything that stands in them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from .errors import InputError
from .paths import expand
from .pickles import load_tensors

_NESTED = ("state_dict", "model", "backbone")  # under which checkpoints of training scripts keep the weights


def expand_path(text: str, owner: str) -> Path:
    """``text`` with ``~`` and ``${VARIABLES}`` replaced.

    Raises:
        InputError: the path is empty or uses an environment variable that is not set.
    """
    if not text:
        raise InputError(f"{owner}: path is empty; give the path of a weights file.")
    try:
        return Path(expand(text))
    except InputError as error:
        raise InputError(f"{owner}: {error}") from error


def open_weights(text: str, sha256: str, owner: str) -> tuple[Path, str]:
    """The weights file at ``text`` and its sha256, after checking that it can be one.

    Args:
        text: path, with ``${VARIABLES}``.
        sha256: the expected digest in hexadecimal, or empty.
        owner: who asks, for messages.

    Raises:
        InputError: missing, empty, a saved HTML page, a Git LFS pointer, or another digest than expected.
    """
    path = expand_path(text, owner)
    if not path.is_file():
        raise InputError(f"{owner}: there is no weights file at {path}; check the path or put the file there.")
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if not head:
        raise InputError(f"{owner}: {path} is empty; copy or download it again.")
    # Text holds no zero bytes; the header length that a safetensors file begins with can spell "<" but does.
    if head.startswith(b"<") and b"\0" not in head:
        raise InputError(f"{owner}: {path} is an HTML page, not weights; a download saved an error or login page.")
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"{owner}: {path} is a Git LFS pointer, not weights; run `git lfs pull` where it came from.")
    digest = file_sha256(path)
    if sha256 and digest != sha256.lower():
        raise InputError(
            f"{owner}: {path} has sha256 {digest}, expected {sha256.lower()}; it is another or a damaged file."
        )
    return path, digest


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file; computed again only when its size or time of change differs."""
    status = path.stat()
    return _sha256(str(path.resolve()), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _sha256(path: str, size: int, changed: int) -> str:
    del size, changed  # part of the cache key only
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def weights_digest(text: str) -> str:
    """sha256 of the weights for a cell's hash, or the word ``missing``: planning must not fail where running would."""
    try:
        return file_sha256(expand_path(text, "weights"))
    except (InputError, OSError):
        return "missing"


def read_state(path: Path, owner: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of a torch checkpoint (read with ``weights_only``: no code is run).

    Raises:
        InputError: unreadable, or it holds something else than tensors by name.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content: Any = load_tensors(path)
    except Exception as error:  # safetensors, zipfile, pickle: no common base class
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise InputError(
            f"{owner}: {path} is not a readable weights file ({type(error).__name__}: {reason}); it may be truncated, "
            "copy it again; a checkpoint that holds more than tensors must be saved again as safetensors."
        ) from error
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content or not all(map(_is_named, content.items())):
        raise InputError(f"{owner}: {path} holds {type(content).__name__}, not tensors by name; save its state_dict.")
    return dict(content)


def _is_named(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def load_strictly(net: nn.Module, state: Mapping[str, Tensor], prefix: str, owner: str) -> str:
    """Fill ``net`` with ``state``: every key must be there, none may be left over, every shape must fit.

    Args:
        net: network.
        state: tensors by name.
        prefix: cut off the keys that begin with it; empty: what wrappers put before every key (``module.``, ``model.``,
            ``_orig_mod.``, one after another) is found and cut off.
        owner: who asks, for messages.

    Returns:
        The prefix that was cut off.

    Raises:
        InputError: names the first few keys that differ.
    """
    expected = net.state_dict()
    prefix = prefix or wrapping(state, expected)
    state = {key.removeprefix(prefix): value for key, value in state.items()}
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    problems = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if keys
    ]
    if problems:
        raise InputError(
            f"{owner} does not fit the network: {'; '.join(problems)}; check architecture, dim and prefix."
        )
    net.load_state_dict(dict(state), strict=True)
    return prefix


def wrapping(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """What stands before every key of ``state`` and before none that is expected; empty where nothing does."""
    best, prefix, most = "", "", len(expected.keys() & state.keys())
    for part in next(iter(state), "").split(".")[:-1]:
        prefix += f"{part}."
        if not all(key.startswith(prefix) for key in state):
            break
        found = sum(key.removeprefix(prefix) in expected for key in state)
        if found > most:
            best, most = prefix, found
    return best
