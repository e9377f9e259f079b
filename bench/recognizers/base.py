"""A recogniser: aligned face images -> unit-norm embeddings. Each one owns its preprocessing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.checks import check_images, check_vectors
from ..core.errors import NoGradientError
from ..core.plugin import Plugin
from ..core.progress import Progress
from ..core.seeding import Rng


class TrainImages(Protocol):
    """The identities that a recogniser may be trained on."""

    labels: Tensor  # (N,) int64, 0 .. n_identities - 1
    n_identities: int

    def images(self, index: Tensor) -> Tensor:
        """(B, 3, H, W) float32 [0, 1] at positions ``index``."""
        ...


@dataclass(frozen=True)
class BuildContext:
    """What a recogniser is built with."""

    train: TrainImages | None  # None where the recogniser brings its own weights
    rng: Rng
    device: torch.device
    progress: Progress


class Recognizer(nn.Module, Plugin, ABC):
    """Base class. A subclass writes ``_build`` (networks, weights) and ``_embed`` (raw features).

    Attributes:
        size: side in pixels that the network works at; other sizes are resized bilinearly.
        dim: D of the embedding.
        differentiable: False means forward only: black box yes, white box refused.
        family: architecture and training in a word; judges must differ from the target in it.
        needs_training: whether ``_build`` trains on the track's train split.
        provenance: file, sha256, licence, for the manifest.
    """

    needs_training: ClassVar[bool] = False
    size: int
    dim: int
    differentiable: bool = True
    family: str = ""

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.configure(values)
        self.provenance: dict[str, str] = {}
        self.alias = type(self).name  # the name the track gives it

    def build(self, context: BuildContext) -> Recognizer:
        """Load or train the networks; returns itself, frozen, in eval mode, on the context's device."""
        self._build(context)
        self.to(context.device).eval().requires_grad_(False)
        return self

    @abstractmethod
    def _build(self, context: BuildContext) -> None:
        """Load or train the networks."""

    @abstractmethod
    def _embed(self, x: Tensor) -> Tensor:
        """(N, 3, size, size) RGB [0, 1] -> (N, D) features of any norm; colour order and scale are done here."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) RGB [0, 1] -> (N, D) unit norm. Gradients flow where the recogniser has them.

        Raises:
            InputError: images or embeddings are not what they should be.
            NoGradientError: a gradient is asked of a forward-only recogniser.
        """
        check_images(images)
        if not self.differentiable and images.requires_grad and torch.is_grad_enabled():
            raise NoGradientError(self.no_gradient_message())
        if images.shape[-1] != self.size or images.shape[-2] != self.size:
            # antialias matters for down-sampling only; it has a gradient.
            images = F.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        z = F.normalize(self._embed(images.clamp(0, 1)).float(), dim=1)
        return check_vectors(z, f"embeddings of {self.alias}")

    def no_gradient_message(self) -> str:
        """What happened and what to supply, in one sentence."""
        return (
            f"Recognizer {self.alias!r} is forward only, so it cannot be attacked as a white box; supply torch or "
            "safetensors weights, or an ONNX file that onnx2torch converts, or choose a black-box attack."
        )

    @torch.no_grad()
    def embed(self, images: Tensor, batch: int = 256) -> Tensor:
        """(N, D) unit-norm embeddings of (N, 3, H, W) images in batches, on the images' device."""
        device = next(self.buffers(), torch.empty(0)).device
        parts = [self(part.to(device)).to(images.device) for part in images.split(batch)]
        return torch.cat(parts) if parts else torch.empty(0, self.dim)
