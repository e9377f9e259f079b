"""A recogniser from a registered type, a torch module, or any function from images to embeddings."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core.device import choose_device
from ..core.errors import InputError
from ..core.faces import FaceSet
from ..core.progress import Progress
from ..core.registry import RECOGNIZERS
from ..core.seeding import Rng
from ..recognizers.base import BuildContext, Recognizer
from ..recognizers.preprocess import Color, Scale, check_scale, prepare

Embedder = Callable[[Tensor], Tensor]


def recognizer(
    kind: str | type[Recognizer] | Recognizer | nn.Module | Embedder,
    *,
    settings: Mapping[str, Any] | None = None,
    name: str = "",
    train: FaceSet | None = None,
    device: str = "auto",
    seed: int = 0,
) -> Recognizer:
    """A recogniser, ready to embed.

    Args:
        kind: a registered type (``faceleak list recognizers``) or its class; or a torch module or any function that
            takes (N, 3, size, size) images and gives (N, D) features of any norm. A module is copied and frozen.
        settings: of the type; of a module or a function: ``size`` in pixels (112), ``scale`` and ``color`` of the
            pixels it takes (``unit``: [0, 1], ``symmetric``: [-1, 1]; ``rgb`` or ``bgr``).
        name: what results call it; the type's name where empty.
        train: people to train it on, where the type is trained here.
        device: ``auto``, ``cpu``, ``cuda``, ...
        seed: of the training.

    Raises:
        InputError: settings do not fit, or the network does not give (N, D) features.
        RegistryError: no such type.
    """
    if isinstance(kind, Recognizer):
        return kind
    values = dict(settings or {})
    made: Recognizer
    if isinstance(kind, str):
        made = RECOGNIZERS.get(kind)(values)
    elif isinstance(kind, type) and issubclass(kind, Recognizer):
        made = kind(values)
    elif callable(kind) and not isinstance(kind, type):
        made = _Wrapped(kind, values)
    else:
        raise InputError(f"A recogniser is a name, a module or a function, got {type(kind).__name__}.")
    made.alias = name or made.alias or type(made).__name__
    if made.needs_training and train is None:
        raise InputError(f"Recognizer {made.alias!r} must be trained; give train=face_set(images, people).")
    return made.build(BuildContext(train, Rng(seed, "recognizer", made.alias), choose_device(device), Progress()))


@dataclass(frozen=True)
class WrappedSettings:
    """What the wrapped network takes."""

    size: int = 112  # side in pixels
    scale: Scale = "unit"  # of the pixels
    color: Color = "rgb"  # order of the channels


class _Wrapped(Recognizer):
    """Somebody's network. Whether it has gradients is tried, not asked."""

    name = "network"
    Settings = WrappedSettings
    settings: WrappedSettings

    def __init__(self, network: nn.Module | Embedder, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.network = copy.deepcopy(network) if isinstance(network, nn.Module) else network

    def _build(self, context: BuildContext) -> None:
        check_scale(self.settings.scale, self.alias)
        self.size, self.family = self.settings.size, self.alias
        self.to(context.device).eval()
        features, self.differentiable = self._tried(torch.full((2, 3, self.size, self.size), 0.5))
        if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2:
            seen = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise InputError(f"{self.alias}: two images gave {seen}; a recogniser gives a tensor of shape (N, D).")
        self.dim = features.shape[1]

    def _tried(self, images: Tensor) -> tuple[Any, bool]:
        """What two images give, and whether a gradient flows from it back to the pixels."""
        images = images.to(self.device)
        try:
            with torch.enable_grad():
                asked = images.clone().requires_grad_(True)
                features = self._embed(asked)
                if isinstance(features, Tensor) and features.requires_grad:
                    (found,) = torch.autograd.grad(features.sum(), asked, allow_unused=True)
                    return features.detach(), found is not None
        except RuntimeError:  # such as a function that goes through numpy, which takes no tensor with a gradient
            features = None
        with torch.no_grad():
            return self._embed(images) if features is None else features, False

    def _embed(self, x: Tensor) -> Tensor:
        return self.network(prepare(x, self.settings.scale, self.settings.color))

    def no_gradient_message(self) -> str:
        return (
            f"Recognizer {self.alias!r} is a function whose output carries no gradient, so it cannot be attacked as a "
            "white box; give the torch module itself, or choose a black-box attack."
        )
