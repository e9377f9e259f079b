"""The data pack as these tests read it: straight from the zip, so that they stand on no other room of the house."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import RECOGNIZERS
from faceleak.bench.core.seeding import Rng
from faceleak.bench.recognizers.base import BuildContext, Recognizer
from PIL import Image
from torch import Tensor

ROOT = os.environ.get("FACELEAK_DATA", "")
needs_pack = pytest.mark.skipif(not ROOT, reason="FACELEAK_DATA is not set: no real faces and recognisers")

FILES = "${FACELEAK_DATA}/recognizers/"
# What a track writes for each recogniser of the pack, and the cosines of its README: 4 genuine, 4 impostor pairs.
REAL: dict[str, tuple[str, dict[str, Any], list[float]]] = {
    "retail0095": (
        "onnx",
        {"path": FILES + "retail0095.onnx", "family": "mobilenetv2-se", "scale": "unit"},
        [0.5892, 0.8395, 0.7993, 0.8505, 0.0353, 0.0941, -0.0448, -0.0317],
    ),
    "mobilefacenet": (
        "onnx",
        {"path": FILES + "mobilefacenet.onnx", "family": "mobilefacenet", "scale": "unit"},
        [0.6475, 0.8774, 0.8172, 0.7565, 0.0180, -0.0848, -0.1554, -0.0111],
    ),
    "edgeface": (
        "timm",
        {"path": FILES + "edgeface_xxs.safetensors", "family": "edgeface", "architecture": "edgenext_xx_small"},
        [0.6519, 0.8716, 0.7771, 0.7257, 0.0550, 0.0347, -0.0857, -0.0764],
    ),
    "edgeface-onnx": (
        "onnx",
        {"path": FILES + "edgeface_xxs.onnx", "family": "edgeface", "scale": "unit"},
        [0.6519, 0.8716, 0.7771, 0.7257, 0.0550, 0.0347, -0.0857, -0.0764],
    ),
}


def context(train: Any = None, seed: int = 0) -> BuildContext:
    """A quiet CPU context."""
    return BuildContext(train, Rng(seed), torch.device("cpu"), Progress(quiet=True))


def make(kind: str, settings: dict[str, Any], alias: str = "") -> Recognizer:
    """A built recogniser."""
    recognizer: Recognizer = RECOGNIZERS.get(kind)(settings)
    recognizer.alias = alias or kind
    return recognizer.build(context())


def lfw_pairs() -> list[tuple[str, str, bool]]:
    """The official 6,000: file, file, whether one person; ten folds of 600, end to end."""
    found = []
    for line in (Path(ROOT) / "faces" / "lfw_pairs.txt").read_text().splitlines()[1:]:
        part = line.split("\t")
        first, second = (part[0], part[0]) if len(part) == 3 else (part[0], part[2])
        names = [f"{who}/{who}_{int(number):04d}.jpg" for who, number in ((first, part[1]), (second, part[-1]))]
        found.append((names[0], names[1], len(part) == 3))
    return found


def lfw_images(names: list[str]) -> Tensor:
    """(N, 3, 112, 112) RGB [0, 1]."""
    with zipfile.ZipFile(Path(ROOT) / "faces" / "lfw112_core.zip") as archive:
        arrays = [np.array(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255
