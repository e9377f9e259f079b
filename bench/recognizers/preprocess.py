"""What turns the project's images (RGB, [0, 1]) into what a network was trained on, and finds its weights file."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from ..core.errors import InputError

MeanStd: TypeAlias = tuple[tuple[float, float, float], tuple[float, float, float]]
Scale: TypeAlias = Literal["unit", "symmetric", "byte"] | MeanStd
Color: TypeAlias = Literal["rgb", "bgr"]

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def prepare(x: Tensor, scale: Scale, color: Color) -> Tensor:
    """(N, 3, H, W) RGB [0, 1] -> what the network expects. Differentiable.

    Args:
        x: images.
        scale: ``unit`` keeps [0, 1]; ``symmetric`` is (255 x - 127.5) / 127.5, in [-1, 1] (insightface);
            ``byte`` is 255 x; a pair (mean, std) is (x - mean) / std with three numbers each, in RGB order, for
            images in [0, 1] (torchvision's convention).
        color: the network's channel order.
    """
    if scale == "symmetric":
        x = (255 * x - 127.5) / 127.5
    elif scale == "byte":
        x = 255 * x
    elif not isinstance(scale, str):
        mean, std = (torch.tensor(part, dtype=x.dtype, device=x.device).view(1, 3, 1, 1) for part in scale)
        x = (x - mean) / std
    return x.flip(1) if color == "bgr" else x


def check_scale(scale: Scale, owner: str) -> None:
    """Refuse a standard deviation that is zero or negative, or a mean that is given in 0..255.

    Raises:
        InputError: names the value.
    """
    if isinstance(scale, str):
        return
    mean, std = scale
    if min(std) <= 0 or max(mean) > 1:
        raise InputError(
            f"{owner}: scale = {scale!r} must be (mean, std) for images in [0, 1], with std above 0; "
            "divide values meant for 0..255 by 255."
        )


def with_flip(features: Callable[[Tensor], Tensor], x: Tensor, *, flip: bool) -> Tensor:
    """``features(x)``, plus those of the mirrored images where ``flip`` is set (insightface's test protocol)."""
    z = features(x)
    return z + features(x.flip(3)) if flip else z


def expand_path(text: str, owner: str) -> Path:
    """``text`` with ``~`` and ``${VARIABLES}`` replaced.

    Raises:
        InputError: the path is empty or uses an environment variable that is not set.
    """
    if not text:
        raise InputError(f"{owner}: path is empty; give the path of a weights file.")
    for braced, bare in _VARIABLE.findall(text):
        name = braced or bare
        if not os.environ.get(name):
            raise InputError(
                f"{owner}: path {text!r} uses the environment variable {name}, which is not set; "
                f"set it (export {name}=/path) or write the path out."
            )
    return Path(os.path.expandvars(text)).expanduser()


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
