"""Packages that only some users need: imported where they are used, named by their extra where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import FaceleakError

# Module -> (package, extra of setup.cfg).
EXTRAS = {
    "onnx": ("onnx", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "onnx2torch": ("onnx2torch", "onnx"),
    "timm": ("timm", "timm"),
    "insightface": ("insightface", "insightface"),
    "lpips": ("lpips", "perceptual"),
    "pytorch_fid": ("pytorch-fid", "perceptual"),
    "faiss": ("faiss-cpu", "large"),
    "cv2": ("opencv-python-headless", "align"),
}


class MissingExtra(FaceleakError, ImportError):
    """A package of an extra is not installed."""


def need(module: str, why: str) -> Any:
    """The module, imported.

    Args:
        module: dotted name; its first part is one of ``EXTRAS``.
        why: what it is for, as the beginning of a sentence: "ONNX files".

    Raises:
        MissingExtra: the package is not installed; the message says how to get it.
    """
    top = module.split(".")[0]
    package, extra = EXTRAS[top]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != top:
            raise
        raise MissingExtra(
            f"{why} need the package {package}, which is not installed: pip install 'faceleak[{extra}]'."
        ) from error
