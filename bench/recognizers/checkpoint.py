"""A timm backbone with weights from a local file: safetensors, or a torch checkpoint. Nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.extras import need
from ..core.onnx_graph import check_answers, trial_images
from ..core.registry import nearest, register_recognizer
from ..core.weights import load_strictly, open_weights, read_state, weights_digest
from .base import BuildContext, Recognizer
from .preprocess import Color, Scale, check_scale, prepare, with_flip


@register_recognizer("timm")
class TimmRecognizer(Recognizer):
    """A timm architecture whose classifier is the embedding layer (``num_classes = dim``), as EdgeFace publishes."""

    @dataclass(frozen=True)
    class Settings:
        path: str  # .safetensors, .pt or .pth; ${VARIABLES} and ~ are replaced
        architecture: str  # timm's name, for example edgenext_xx_small
        family: str  # architecture and training in a word; a judge must differ from the target in it
        dim: int = 512  # D of the embedding
        prefix: str = ""  # cut off the keys; empty: what stands before every key, such as "module.", is found
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
        state = read_state(path, self.alias)
        prefix = load_strictly(self.net, state, settings.prefix, f"{self.alias}: {path.name}")
        if prefix:
            self.provenance["prefix"] = prefix
        try:
            with torch.no_grad():
                z = self._embed(trial_images(self.size, 3))
        except Exception as error:  # transformers refuse other sizes than they were made for, by assertion
            raise InputError(
                f"{self.alias}: {settings.architecture} does not take {self.size}x{self.size} images ({error})."
            ) from error
        if z.shape != (3, self.dim):
            raise InputError(f"{self.alias}: features have shape {tuple(z.shape)}, not (3, {self.dim}); check dim.")
        check_answers(z, f"{self.alias}: {path.name}")

    def _embed(self, x: Tensor) -> Tensor:
        return with_flip(self.net, prepare(x, self.settings.scale, self.settings.color), flip=self.settings.flip)

    def describe(self) -> dict[str, Any]:
        """As in the base class, and the digest of the weights: another file at the same path is another cell."""
        return {**super().describe(), "weights": weights_digest(self.settings.path)}


def _backbone(architecture: str, dim: int, owner: str) -> nn.Module:
    """The timm network without weights."""
    timm = need("timm", "Recognizers of type timm")
    if not timm.is_model(architecture):
        hint = nearest(architecture, timm.list_models()) if len(architecture) > 2 else "see timm.list_models()"
        raise InputError(f"{owner}: timm has no architecture {architecture!r}; {hint[:200]}")
    net: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=dim)
    return net
