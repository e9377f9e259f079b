"""A recogniser: aligned face images -> unit-norm embeddings. Each one owns its preprocessing."""

from __future__ import annotations

import copy
import dataclasses
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.checks import check_images, check_vectors
from ..core.errors import InputError, NoGradientError
from ..core.plugin import Plugin
from ..core.progress import Progress
from ..core.seeding import Rng


class TrainImages(Protocol):
    """The identities that a recogniser may be trained on."""

    labels: Tensor  # (N,) int64, 0 .. n_identities - 1
    ids: Tensor  # (N,) int64, stable sample ids: augmentation depends on them, not on positions
    n_identities: int

    def resized(self, index: Tensor, size: int) -> Tensor:
        """(B, 3, size, size) float32 RGB [0, 1] at positions ``index``."""
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

    One that is trained here also writes ``_create`` (the networks without weights): ``save`` and ``load`` need it.

    Attributes:
        size: side in pixels that the network works at; other sizes are resized bilinearly.
        dim: D of the embedding.
        differentiable: False means forward only: black box yes, white box refused.
        family: architecture and training in a word; judges must differ from the target in it.
        needs_training: whether ``_build`` trains on the track's train split; of the class, unless settings decide.
        provenance: file, sha256, licence, for the manifest.
    """

    needs_training: bool = False
    size: int
    dim: int
    differentiable: bool = True
    family: str = ""

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.configure(values)
        self.provenance: dict[str, str] = {}
        self.alias = type(self).name  # the name the track gives it
        # Follows ``to``: says where the recogniser lives even if it holds no tensor of its own (ONNX Runtime).
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the recogniser computes."""
        place = self._place
        assert isinstance(place, Tensor)
        return place.device

    def build(self, context: BuildContext) -> Recognizer:
        """Load or train the networks; returns itself, frozen, in eval mode, on the context's device."""
        self._build(context)
        return self._finished(context.device)

    def _finished(self, device: torch.device) -> Recognizer:
        self.to(device).eval().requires_grad_(False)
        return self

    def train(self, mode: bool = True) -> Recognizer:
        """Stays in eval mode, whatever ``mode`` says.

        A defence holds its recogniser as a sub-module, and the training loop calls ``train()`` on the whole: the
        recogniser's batch norms would forget the statistics that its embeddings rest on.
        """
        del mode
        super().train(False)
        return self

    @abstractmethod
    def _build(self, context: BuildContext) -> None:
        """Load or train the networks."""

    def _create(self) -> None:
        """Make the networks from the settings, without weights, and set ``size``, ``dim``, ``family``."""
        raise InputError(f"Recognizer {self.alias!r} reads its weights from a file of its own; there is none to load.")

    def save(self, path: str | Path) -> None:
        """Write what ``load`` needs to give the same embeddings, bit for bit: safetensors, and no training state.

        Raises:
            InputError: this recogniser brings its own weights file.
        """
        from safetensors.torch import save_file

        if not self.needs_training:
            raise InputError(f"Recognizer {self.alias!r} was not trained here; keep its own weights file instead.")
        state = {key: value.detach().cpu().contiguous().clone() for key, value in self.state_dict().items()}
        save_file(state, path, {**self.provenance, "recognizer": type(self).name, "settings": self._settings_text()})

    def load(self, path: str | Path, context: BuildContext) -> Recognizer:
        """As ``build``, from a file that ``save`` wrote with the same settings; of the context, only the device counts.

        Raises:
            InputError: unreadable file, another recogniser, other settings, or weights that do not fit.
        """
        from safetensors import SafetensorError, safe_open

        self._create()
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is not a saved recogniser ({error}); delete it and train again.") from error
        seen = (metadata.pop("recognizer", None), metadata.pop("settings", None))
        self.provenance = metadata  # nothing in files from before it was kept
        if seen != (type(self).name, self._settings_text()):
            raise InputError(
                f"{path} holds recogniser {seen[0]!r} with settings {seen[1]}, not {type(self).name!r} with "
                f"{self._settings_text()}; delete it and train again."
            )
        try:
            self.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise InputError(f"{path} does not fit the network: {error}; delete it and train again.") from error
        return self._finished(context.device)

    def _settings_text(self) -> str:
        return json.dumps(dataclasses.asdict(self.settings), sort_keys=True)

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
        if not len(images):  # interpolation and ONNX Runtime refuse empty batches
            return images.new_zeros(0, self.dim)
        if images.shape[-1] != self.size or images.shape[-2] != self.size:
            # antialias matters for down-sampling only; it has a gradient.
            images = F.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        z = F.normalize(self._embed(images.clamp(0, 1)).float(), dim=1)
        return check_vectors(z, f"embeddings of {self.alias}")

    def trainable_copy(self) -> Recognizer:
        """A copy whose weights can be trained further, for an adversary's student network.

        Raises:
            NoGradientError: this recogniser is forward only.
        """
        if not self.differentiable:
            raise NoGradientError(self.no_gradient_message())
        return copy.deepcopy(self).requires_grad_(True)

    def no_gradient_message(self) -> str:
        """What happened and what to supply, in one sentence."""
        return (
            f"Recognizer {self.alias!r} is forward only, so it cannot be attacked as a white box; supply torch or "
            "safetensors weights, or an ONNX file that onnx2torch converts, or choose a black-box attack."
        )

    @torch.no_grad()
    def embed(self, images: Tensor, batch: int = 256) -> Tensor:
        """(N, D) unit-norm embeddings of (N, 3, H, W) images in batches, on the images' device."""
        return torch.cat([self(part.to(self.device)).to(images.device) for part in torch.split(images, batch)])
