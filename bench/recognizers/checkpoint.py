"""A timm backbone with weights from a local file: safetensors, or a torch checkpoint. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.registry import nearest, register_recognizer
from .base import BuildContext, Recognizer
from .preprocess import Color, Scale, check_scale, open_weights, prepare, weights_digest, with_flip

_NESTED = ("state_dict", "model", "backbone")  # under which checkpoints of training scripts keep the weights


@register_recognizer("timm")
class TimmRecognizer(Recognizer):
    """A timm architecture whose classifier is the embedding layer (``num_classes = dim``), as EdgeFace publishes."""

    @dataclass(frozen=True)
    class Settings:
        path: str  # .safetensors, .pt or .pth; ${VARIABLES} and ~ are replaced
        architecture: str  # timm's name, for example edgenext_xx_small
        family: str  # architecture and training in a word; a judge must differ from the target in it
        dim: int = 512  # D of the embedding
        prefix: str = ""  # cut off every key, for example "model." or "module."
        sha256: str = ""  # checked where given
        licence: str = ""  # for the manifest
        size: int = 112  # pixels
        scale: Scale = "symmetric"
        color: Color = "rgb"
        flip: bool = False  # add the features of the mirrored image

    settings: Settings

    def _build(self, context: BuildContext) -> None:
        settings = self.settings
        check_scale(settings.scale, self.alias)
        path, digest = open_weights(settings.path, settings.sha256, self.alias)
        self.size, self.dim, self.family = settings.size, settings.dim, settings.family
        self.provenance = {"file": path.name, "sha256": digest, "licence": settings.licence}
        self.net = _backbone(settings.architecture, settings.dim, self.alias).eval()
        load_strictly(self.net, read_state(path, self.alias), settings.prefix, f"{self.alias}: {path.name}")
        try:
            with torch.no_grad():
                z = self._embed(torch.full((2, 3, self.size, self.size), 0.5))
        except Exception as error:  # transformers refuse other sizes than they were made for, by assertion
            raise InputError(
                f"{self.alias}: {settings.architecture} does not take {self.size}x{self.size} images ({error})."
            ) from error
        if z.shape != (2, self.dim):
            raise InputError(f"{self.alias}: features have shape {tuple(z.shape)}, not (2, {self.dim}); check dim.")

    def _embed(self, x: Tensor) -> Tensor:
        return with_flip(self.net, prepare(x, self.settings.scale, self.settings.color), flip=self.settings.flip)

    def describe(self) -> dict[str, Any]:
        """As in the base class, and the digest of the weights: another file at the same path is another cell."""
        return {**super().describe(), "weights": weights_digest(self.settings.path)}


def _backbone(architecture: str, dim: int, owner: str) -> nn.Module:
    """The timm network without weights."""
    import timm

    if not timm.is_model(architecture):
        hint = nearest(architecture, timm.list_models()) if len(architecture) > 2 else "see timm.list_models()"
        raise InputError(f"{owner}: timm has no architecture {architecture!r}; {hint[:200]}")
    net: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=dim)
    return net


def read_state(path: Path, owner: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of a torch checkpoint (read with ``weights_only``: no code is run).

    Raises:
        InputError: unreadable, or it holds something else than tensors by name.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, zipfile, pickle: no common base class
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise InputError(
            f"{owner}: {path} is not a readable weights file ({type(error).__name__}: {reason}); it may be truncated, "
            "copy it again; a checkpoint that holds more than tensors must be saved again as safetensors."
        ) from error
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(f"{owner}: {path} holds {type(content).__name__}, not tensors by name; save its state_dict.")
    return dict(content)


def load_strictly(net: nn.Module, state: Mapping[str, Tensor], prefix: str, owner: str) -> None:
    """Fill ``net`` with ``state``: every key must be there, none may be left over, every shape must fit.

    Raises:
        InputError: names the first few keys that differ.
    """
    state = {key.removeprefix(prefix): value for key, value in state.items()}
    expected = net.state_dict()
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    problems = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if keys
    ]
    if problems:
        raise InputError(
            f"{owner} does not fit the network: {'; '.join(problems)}; check architecture, dim and prefix."
        )
    net.load_state_dict(dict(state), strict=True)
