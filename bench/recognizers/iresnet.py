"""IResNet, ArcFace's own network: with published weights from a local file, or trained here by the papers' recipe.

A checkpoint of insightface's `arcface_torch` (`backbone.pth`, or its tensors as safetensors) loads strictly: every key
must be there and none left over. Without a path it is trained on the train split: SGD, the rate a tenth at 10, 18 and
22 of 24 epochs, one of warm-up, ArcFace with the whole margin from the start, mirrored pictures. That takes a GPU and
many identities (the papers: 85,000); first weights are drawn after He et al., where insightface takes N(0, 0.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..core.errors import InputError
from ..core.nets.iresnet import Depth, IResNet
from ..core.nets.servers import published_recipe
from ..core.registry import register_recognizer
from ..core.training import TrainSettings
from ..core.weights import load_strictly, open_weights, read_state, weights_digest
from .base import BuildContext
from .preprocess import Color, prepare, with_flip
from .trained import SmallSettings, TrainedRecognizer


@dataclass(frozen=True)
class IResNetSettings(SmallSettings):
    """Which network, whose weights, and how it is trained where there are none; defaults are the papers'."""

    depth: Depth = 50  # layers
    path: str = ""  # .safetensors, .pt or .pth; ${VARIABLES} and ~ are replaced; empty: trained here
    family: str = ""  # architecture and training in a word; a judge must differ from the target in it
    prefix: str = ""  # cut off every key, for example "module."
    sha256: str = ""  # checked where given
    licence: str = ""  # for the manifest
    color: Color = "rgb"  # channel order of the weights
    flip: bool = False  # add the features of the mirrored image
    size: int = 112  # pixels
    dim: int = 512  # D of the embedding
    scale: float = 64.0  # s of the margin softmax
    margin: float = 0.5  # m, radians ...
    margin_start: float = 0.5  # ... from the start
    steps: int = 180_000  # optimiser steps, about 24 epochs of 500,000 pictures
    batch: int = 64  # images per step; papers: 64 on each of 8 GPUs
    lr: float = 0.1  # peak, SGD
    weight_decay: float = 5e-4
    shift: float = 0.0  # pictures are mirrored only
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0


@register_recognizer("iresnet")
class IResNetRecognizer(TrainedRecognizer):
    """IR-18, 34, 50 or 100 in insightface's layout: weights from a file, or trained on the train split."""

    label = "IResNet"
    paper = "Deng et al., CVPR 2019"
    spread = 0.01
    Settings = IResNetSettings
    settings: IResNetSettings

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(dict(values or {}))
        self.needs_training = not self.settings.path

    def _network(self) -> nn.Module:
        if self.settings.size < 16:
            raise InputError(f"{self.alias}: size must be at least 16, because the network halves it four times.")
        return IResNet(self.settings.depth, 3, self.dim, self.size)

    def _create(self) -> None:
        super()._create()
        self.family = self.settings.family or f"iresnet-{self.settings.depth}"

    def _build(self, context: BuildContext) -> None:
        s = self.settings
        if not s.path:
            super()._build(context)
            return
        path, digest = open_weights(s.path, s.sha256, self.alias)
        self._create()
        self.provenance = {"file": path.name, "sha256": digest, "licence": s.licence}
        load_strictly(self.net, read_state(path, self.alias), s.prefix, f"{self.alias}: {path.name}")

    def _plan(self) -> TrainSettings:
        s = self.settings
        return published_recipe(s.steps, s.batch, s.lr, s.weight_decay)

    def _embed(self, x: Tensor) -> Tensor:
        return with_flip(self.net, prepare(x, "symmetric", self.settings.color), flip=self.settings.flip)

    def describe(self) -> dict[str, Any]:
        """As in the base class, and the digest of the weights: another file at the same path is another cell."""
        described = super().describe()
        return described | {"weights": weights_digest(self.settings.path)} if self.settings.path else described
