"""The networks of a pack that are made here, from files that their publishers give in another form than ONNX.

Those of faces take aligned RGB in [0, 1] at 112x112 (``datasets/alignment.py``); what they look at in it is inside the
graph. The windows are those of the files that the committed boards were made with: Open Model Zoo wants a tight crop of
six by seven, stretched to a square; dlib's chip of 150 pixels shows less forehead and more chin.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import face_api, openvino_ir
from .onnx_builder import Array, Builder

_SIDE = 112  # pixels of an aligned face
_BGR = np.array([[0, 0, 255, 0], [0, 255, 0, 0], [255, 0, 0, 0]], float)  # in 0..255
# RGB in 0..255 less the mean of dlib's training pictures, over 256.
_DLIB = np.column_stack([np.eye(3) * 255, [-122.782, -117.001, -104.298]]) / 256
_DLIB_STEP, _DLIB_TOP, _DLIB_LEFT = 0.66617, 21.30309, 5.51008  # pixels of the aligned face


def make_retail0095(graph: Path, weights: Path, file: Path) -> None:
    """Open Model Zoo's face-reidentification-retail-0095 -> ``file``: the middle 96 columns at 128x128, BGR.

    Args:
        graph: the .xml.
        weights: the .bin.
        file: written in one step.

    Raises:
        InputError: files that do not belong together, or another network.
    """
    builder = Builder(_SIDE)
    seen = builder.window(_stretched(0, _SIDE, 128), _stretched(8, 96, 128), _BGR)
    builder.save(*openvino_ir.append(builder, graph, weights, seen), file)


def make_landmarks5(graph: Path, weights: Path, file: Path) -> None:
    """Open Model Zoo's landmarks-regression-retail-0009 -> ``file``: 48x48 BGR in 0..255 -> x and y of five points.

    Raises:
        InputError: as ``make_retail0095``.
    """
    builder = Builder(48)
    builder.save(*openvino_ir.append(builder, graph, weights, builder.image), file)


def make_dlib(manifest: Path, weights: Path, file: Path) -> None:
    """dlib's ResNet-29 -> ``file``.

    Args:
        manifest: face-api's .json.
        weights: its .bin.
        file: written in one step.

    Raises:
        InputError: files that do not belong together, or another network.
    """
    builder, step = Builder(_SIDE), _DLIB_STEP * np.arange(150)
    seen = builder.window(_DLIB_TOP + step, _DLIB_LEFT + step, _DLIB)
    builder.save(*face_api.append(builder, manifest, weights, seen), file)


def _stretched(first: int, count: int, size: int) -> Array:
    """(size,) coordinates that bring ``count`` pixels from ``first`` on to ``size``, as resizing does."""
    at = first + (np.arange(size) + 0.5) * count / size - 0.5
    return np.clip(at, first, first + count - 1)
