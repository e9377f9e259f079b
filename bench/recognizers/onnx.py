"""Any face recogniser that comes as an ONNX file: insightface packs, Open Model Zoo, exports of one's own.

Embeddings without a gradient come from ONNX Runtime on the CPU; gradients, and everything on CUDA, from the same
graph converted to torch. Both forms are compared at load. A graph that does not convert still serves black-box attacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.onnx_file import describe_error
from ..core.onnx_graph import (
    Graph,
    RuntimeNet,
    TorchNet,
    check_answers,
    read_graph,
    relative_difference,
    trial_images,
)
from ..core.registry import register_recognizer
from ..core.weights import open_weights, weights_digest
from .base import BuildContext, Recognizer
from .preprocess import Color, Scale, check_scale, prepare, with_flip

# Rounding in another order moves an embedding by about 3e-6 (all files of the data pack).
SAME = 1e-3  # relative difference above which the converted network is another network
MIXABLE = 1e-4  # ... below which the two forms may serve the same run


@register_recognizer("onnx")
class OnnxRecognizer(Recognizer):
    """A recogniser from an ONNX file."""

    @dataclass(frozen=True)
    class Settings:
        path: str  # the .onnx file; ${VARIABLES} and ~ are replaced
        family: str  # architecture and training in a word; a judge must differ from the target in it
        sha256: str = ""  # checked where given
        licence: str = ""  # for the manifest
        size: int = 112  # pixels; side of the square that the graph takes, or of which it takes the middle (112x96)
        scale: Scale = "symmetric"  # insightface's; unit where the graph normalises for itself
        color: Color = "rgb"  # channel order that the graph takes
        flip: bool = False  # add the features of the mirrored image
        output: str = ""  # name of the embedding output, where the graph has several
        backend: Literal["auto", "onnxruntime", "onnx2torch"] = "auto"  # auto: both where they agree
        batch: int = 64  # images per call of ONNX Runtime; bounds memory, changes no result

    settings: Settings
    scale: Scale
    color: Color

    def _build(self, context: BuildContext) -> None:
        settings = self.settings
        check_scale(settings.scale, self.alias)
        path, digest = open_weights(settings.path, settings.sha256, self.alias)
        self.size, self.family = settings.size, settings.family
        self.scale, self.color = settings.scale, settings.color
        self.provenance = {"file": path.name, "sha256": digest, "licence": settings.licence}
        self._take(read_graph(path, settings.size, settings.output, self.alias), context)

    def _take(self, graph: Graph, context: BuildContext) -> None:
        """Run ``graph`` under ONNX Runtime, and as torch where it converts to the same network."""
        settings = self.settings
        if graph.cut:
            self.provenance["cut"] = f"the middle {graph.cut[0]}x{graph.cut[1]} of {self.size}x{self.size}"
        self.runtime: RuntimeNet | None = RuntimeNet(graph, settings.batch)
        self.net: TorchNet | None = None
        self.reason = "backend = 'onnxruntime'" if settings.backend == "onnxruntime" else ""
        z = self._trial()
        self.dim = z.shape[1]
        if settings.backend != "onnxruntime":
            self._convert(graph, z)
        self.differentiable = self.net is not None
        if self.net is not None and context.device.type != "cpu":
            self.runtime = None  # the images are on the device already

    def _trial(self) -> Tensor:
        """(3, D) features of the trial images under ONNX Runtime."""
        assert self.runtime is not None
        try:
            z = self.runtime(self._prepared(trial_images(self.size, 3)))
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise InputError(
                f"{self.alias}: ONNX Runtime cannot run {self.provenance['file']} on {self.size}x{self.size} images "
                f"({describe_error(error)}); check size, or export the graph again."
            ) from error
        if z.ndim != 2 or z.shape[0] != 3 or not bool(torch.isfinite(z).all()):
            raise InputError(
                f"{self.alias}: three images gave features of shape {tuple(z.shape)}, or NaN; check scale."
            )
        check_answers(z, f"{self.alias}: {self.provenance['file']}")
        alone = self.runtime(self._prepared(trial_images(self.size, 1)))
        if relative_difference(alone, z[:1]) > SAME:
            raise InputError(
                f"{self.alias}: {self.provenance['file']} gives a picture other features when others are in the batch; "
                "export the graph in eval mode (dropout and batch norm of training are still in it)."
            )
        return z

    def _convert(self, graph: Graph, expected: Tensor) -> None:
        """Set ``self.net`` if the graph converts to the same network; else keep the reason, or raise where asked."""
        file = self.provenance["file"]
        try:
            net = TorchNet(graph).eval()
            with torch.no_grad():
                difference = relative_difference(net(self._prepared(trial_images(self.size, 3))), expected)
        except Exception as error:  # onnx2torch raises what its internals raise
            self.reason = f"onnx2torch does not convert {file} ({describe_error(error)})"
        else:
            if difference <= SAME:
                self.net = net
                self.provenance["converted"] = f"relative difference {difference:.1e}"
                if self.settings.backend == "onnx2torch" or difference > MIXABLE:
                    self.runtime = None
                return
            self.reason = f"{file} converted to torch gives other embeddings (relative difference {difference:.2g})"
        if self.settings.backend == "onnx2torch":
            raise InputError(f"{self.alias}: {self.reason}; set backend = 'auto' to use it as a black box.")

    def trainable_copy(self) -> Recognizer:
        """As in the base class; the copy never answers through ONNX Runtime, whose weights do not learn."""
        copied = super().trainable_copy()
        copied.runtime = None  # type: ignore[assignment]
        return copied

    def _prepared(self, x: Tensor) -> Tensor:
        return prepare(x, self.scale, self.color)

    def _embed(self, x: Tensor) -> Tensor:
        return with_flip(self._features, self._prepared(x), flip=self.settings.flip)

    def _features(self, x: Tensor) -> Tensor:
        wants_gradient = x.requires_grad and torch.is_grad_enabled()
        if self.net is not None and (wants_gradient or self.runtime is None):
            return self.net(x)  # type: ignore[no-any-return]
        assert self.runtime is not None
        return self.runtime(x)

    def no_gradient_message(self) -> str:
        """What happened, why, and what to supply, in one sentence."""
        return (
            f"Recognizer {self.alias!r} is forward only because {self.reason}, so it cannot be attacked as a white "
            "box; supply its torch or safetensors weights (recognizer 'timm'), or an ONNX file that onnx2torch "
            "converts, or choose a black-box attack."
        )

    def describe(self) -> dict[str, Any]:
        """As in the base class, and the digest of the weights: another file at the same path is another cell."""
        return {**super().describe(), "weights": self._weights()}

    def _weights(self) -> str:
        return weights_digest(self.settings.path)
