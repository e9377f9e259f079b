"""Stand-ins small enough for tests: faces of smooth colour patterns, and recognisers that need no training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from faceleak.bench.core.nets.blocks import initialise
from faceleak.bench.core.registry import register_dataset, register_recognizer
from faceleak.bench.core.seeding import Rng
from faceleak.bench.recognizers.base import BuildContext, Recognizer
from faceleak.bench.recognizers.trained import SmallResNet
from faceleak.datasets.base import DataSettings, FaceDataset
from torch import Tensor, nn


@dataclass(frozen=True)
class ToySettings(DataSettings):
    size: int = 32
    identities: int = 60
    images: int = 6
    noise: float = 0.06


@register_dataset("toy-faces")
class ToyFaces(FaceDataset):
    """A smooth random picture per person, a little other for each photograph."""

    licence = "none needed"
    Settings = ToySettings
    settings: ToySettings

    def _key(self) -> dict[str, Any]:
        return {"toy": self.settings.__dict__, "version": 1}

    def _index(self) -> pd.DataFrame:
        person, picture = np.divmod(np.arange(self.settings.identities * self.settings.images), self.settings.images)
        samples = [f"p{i:03d}/{k}" for i, k in zip(person, picture, strict=True)]
        return pd.DataFrame({"sample": samples, "identity": [f"p{i:03d}" for i in person], "group": ""})

    def _read(self, table: pd.DataFrame) -> Iterator[np.ndarray | str]:
        position = torch.arange(len(table))
        person = position // self.settings.images
        own = Rng(0, "person").normal(person, (3, 4, 4)) * 0.18
        other = Rng(0, "photo").normal(position, (3, 4, 4)) * self.settings.noise
        coarse = (0.5 + own + other).clamp(0, 1)
        pictures = F.interpolate(coarse, (self.settings.size,) * 2, mode="bicubic").clamp(0, 1)
        yield from (pictures * 255).round().to(torch.uint8).numpy()


@register_dataset("toy-pairs")
class ToyPairs(ToyFaces):
    """Toy faces with pairs of their own: of each person two pictures, and one with the next person's."""

    def pairs(self) -> pd.DataFrame:
        """Genuine and impostor pairs in turn, in ten folds."""
        people, rows = self.settings.identities, []
        for i in range(people):
            fold = i * 10 // people
            rows.append((f"p{i:03d}/0", f"p{i:03d}/1", True, fold))
            rows.append((f"p{i:03d}/0", f"p{(i + 1) % people:03d}/2", False, fold))
        return pd.DataFrame(rows, columns=["a", "b", "same", "fold"])


class _ToyRecognizer(Recognizer):
    """A fixed random linear map of the 8x8 picture, squashed: differentiable, instant, different by seed."""

    seed = 0
    family = "toy"

    def _build(self, context: BuildContext) -> None:
        self.size, self.dim = 16, 32
        weight = Rng(self.seed, "toy").normal(torch.arange(32), (3 * 64,)) / 8
        self.linear = nn.Linear(3 * 64, 32)
        self.linear.weight.data.copy_(weight)
        self.linear.bias.data.zero_()

    def _embed(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear((F.adaptive_avg_pool2d(x, 8) - 0.5).flatten(1)))


@register_recognizer("toy-a")
class ToyA(_ToyRecognizer):
    """The attacked one."""


@register_recognizer("toy-b")
class ToyB(_ToyRecognizer):
    """An independent judge."""

    seed = 1


@register_recognizer("toy-split")
class ToySplit(SmallResNet):
    """Untrained, but of stages, for defences that act between them."""

    needs_training = False

    def _build(self, context: BuildContext) -> None:
        self._create()
        self.size = 32
        initialise(self.net, Rng(0, "toy-split").torch())


@register_recognizer("toy-forward")
class ToyForward(_ToyRecognizer):
    """Forward only, as an ONNX file that does not convert."""

    differentiable = False

    def _embed(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return super()._embed(x)


TOY_TRACK = """
title = "Toy"
[dataset]
name = "toy-faces"
settings = { identities = 84 }
[splits]
public = { identities = 24, images = 6 }
calibration = { identities = 30, images = 6 }
victims = { identities = 30, images = 6 }
[protocol]
fmrs = [0.1, 0.01]
resolution = 32
bootstrap = 200
verification_pairs = 200
selection_victims = 12
unlinkability_keys = 3
pictures = 2
[recognizers.a]
type = "toy-a"
[recognizers.b]
type = "toy-b"
[[targets]]
recognizer = "a"
judges = ["b"]
"""
