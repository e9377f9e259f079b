"""The recogniser of an insightface pack (buffalo_l, antelopev2, ...), found by the pack's own content.

Deng et al., "ArcFace", CVPR 2019, arXiv 1801.07698. Preprocessing is insightface's: RGB, (255 x - 127.5) / 127.5, or
0..255 where the graph normalises by itself. Under ONNX Runtime, and as torch where it converts to the same network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.errors import InputError
from ..core.onnx_graph import read_graph
from ..core.registry import register_recognizer
from ..zoo.packs import PackModel, find_model
from .base import BuildContext
from .onnx import OnnxRecognizer


@register_recognizer("insightface")
class InsightfaceRecognizer(OnnxRecognizer):
    """The recogniser of an insightface pack, by name or path."""

    @dataclass(frozen=True)
    class Settings:  # type: ignore[assignment, misc]
        path: str  # insightface:NAME, or the folder or zip of a pack; ${VARIABLES} and ~ are replaced
        family: str  # architecture and training in a word; a judge must differ from the target in it
        sha256: str = ""  # of the recogniser's file, checked where given
        licence: str = "non-commercial research"  # for the manifest
        flip: bool = False  # add the features of the mirrored image
        backend: Literal["auto", "onnxruntime", "onnx2torch"] = "auto"  # auto: both where they agree
        batch: int = 64  # images per call of ONNX Runtime; bounds memory, changes no result

    settings: Settings  # type: ignore[assignment]

    def _model(self) -> PackModel:
        return find_model(self.settings.path, "recognition", self.alias)

    def _build(self, context: BuildContext) -> None:
        settings, model = self.settings, self._model()
        if settings.sha256 and model.sha256 != settings.sha256.lower():
            raise InputError(
                f"{self.alias}: {model.source} has sha256 {model.sha256}, expected {settings.sha256.lower()}; it is "
                "another or a damaged file."
            )
        self.size, self.family = model.size, settings.family
        self.scale = "byte" if model.normalises else "symmetric"
        self.color = "rgb"
        self.provenance = {"file": model.source.name, "sha256": model.sha256, "licence": settings.licence}
        self._take(read_graph(model.source, model.size, "", self.alias), context)

    def _weights(self) -> str:
        try:
            return self._model().sha256
        except (InputError, OSError):
            return "missing"
