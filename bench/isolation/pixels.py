"""Pictures for a plug-in: the pixels of one split in a file of their own, and nothing of the data set behind them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.anatomy import Anatomy
from ..core.attributes import Attributes
from ..core.faces import FaceSet

_BATCH = 512


class Mapped:
    """Positions -> pictures of a file of 8-bit pixels: (M,) -> (M, 3, H, W) float32 [0, 1]."""

    def __init__(self, file: Path) -> None:
        self._pixels = np.load(file, mmap_mode="r")

    def __call__(self, index: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self._pixels[np.asarray(index)])).float() / 255


def write_pixels(file: Path, count: int, pictures: Callable[[Tensor], Tensor]) -> Path:
    """8-bit pixels of ``count`` pictures, in an ``.npy``; pictures of whole 8-bit steps come back as they were."""
    first = pictures(torch.arange(min(1, count)))
    shape = (count, *first.shape[1:])
    half = file.with_suffix(f".{os.getpid()}.tmp")  # workers share the folder
    pixels: Any = np.lib.format.open_memmap(half, mode="w+", dtype=np.uint8, shape=shape)
    for part in torch.arange(count).split(_BATCH):
        pixels[part.numpy()] = (pictures(part) * 255).round().to(torch.uint8).numpy()
    pixels.flush()
    half.replace(file)
    return file


class OwnFaces(FaceSet):
    """A split whose pictures come from a file of its own.

    Args:
        faces: name, samples, identities and hash of the split.
        read: positions -> pictures.
        attributes: as in ``FaceSet``.
        anatomy: as in ``FaceSet``.
        shrunk: side -> the whole set at that size, made once for all who ask; None makes it here.
    """

    def __init__(
        self,
        faces: tuple[str, list[str], list[str], str],
        read: Callable[[np.ndarray], Tensor],
        attributes: Callable[[], Attributes | None],
        anatomy: Callable[[np.ndarray], Anatomy | None],
        shrunk: Callable[[int], Mapped] | None = None,
    ) -> None:
        name, samples, identities, sha = faces
        super().__init__(name, samples, identities, read, sha, attributes, anatomy)
        self._shrunk, self._sizes = shrunk, {}  # type: ignore[var-annotated]

    def resized(self, index: Tensor, size: int) -> Tensor:
        """(B, 3, size, size) images; the whole set is resized once."""
        if self._shrunk is None:
            return super().resized(index, size)
        if size not in self._sizes:
            self._sizes[size] = self._shrunk(size)
        return self._sizes[size](index.cpu().numpy())
