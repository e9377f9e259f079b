"""What several layers of a recogniser say of a picture, as conditions for a diffusion model: one per range of noise.

Multi-scale image inversion (MSI) of He et al., "Diff-Privacy", TCSVT (arXiv 2309.05330). The noise levels are divided
into ten buckets, and each is steered by one of five layers: much noise by a late one, which tells who and what is seen,
little noise by an early one, which tells of edges and colours. A layer's map is averaged over the picture, goes through
two linear layers, is brought to unit length and multiplied by a vector that its bucket learns.

Differs from the paper: layers of a recogniser stand for those of CLIP's image tower, and what they say is standardised
first; the paper's attention over that single vector, a linear map of it, is one linear layer; no text encoder follows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from .standardize import Standardize

BUCKETS = 10
LAYERS = 5


class Stages:
    """Five places in a frozen recogniser, evenly spread over its layers in the order in which they are run.

    Any network that is made of modules will do. The last place is its embedding; a network of fewer layers is asked at
    some of them twice.

    Args:
        recognizer: (N, 3, H, W) in [0, 1] -> (N, D); only read, and not made part of another module.

    Attributes:
        widths: numbers per picture that each place says.
    """

    def __init__(self, recognizer: nn.Module) -> None:
        self.recognizer = recognizer
        place = next((p.device for p in recognizer.parameters()), torch.device("cpu"))
        layers = [layer for layer in recognizer.modules() if not list(layer.children())]
        said = self._said(layers, torch.full((2, 3, 64, 64), 0.5, device=place))
        useful = [layers[k] for k, x in said.items() if x.is_floating_point() and x.ndim in (2, 4) and len(x) == 2]
        useful.append(recognizer)
        self.layers = [useful[max(0, round((k + 1) * len(useful) / LAYERS) - 1)] for k in range(LAYERS)]
        self.widths = tuple(x.shape[1] for x in self(torch.full((2, 3, 64, 64), 0.5, device=place)))

    def __call__(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1] -> what each place says, (N, width) each, maps averaged over the picture."""
        said = self._said(self.layers, images)
        return [said[k].float().flatten(2).mean(2) if said[k].ndim == 4 else said[k].float() for k in range(LAYERS)]

    def digest(self) -> str:
        """Short sha256 of the recogniser's weights."""
        sha = hashlib.sha256()
        for name, value in sorted(self.recognizer.state_dict().items()):
            sha.update(name.encode())
            sha.update(value.detach().cpu().double().numpy().tobytes())
        return sha.hexdigest()[:12]

    @torch.no_grad()
    def _said(self, layers: Sequence[nn.Module], images: Tensor) -> dict[int, Tensor]:
        """Position in ``layers`` -> its output, in the order in which they were run."""
        said: dict[int, Tensor] = {}

        def note(k: int) -> Any:
            def hook(layer: nn.Module, inputs: Any, output: Any) -> None:
                if isinstance(output, Tensor):
                    said[k] = output

            return hook

        hooks = [layer.register_forward_hook(note(k)) for k, layer in enumerate(layers)]
        try:
            self.recognizer(images)
        finally:
            for hook in hooks:
                hook.remove()
        return said


@torch.no_grad()
def map_layers(network: nn.Module, count: int, side: int = 64) -> tuple[str, ...]:
    """Names of ``count`` layers of any network that give maps, evenly spread in the order in which they are run.

    Args:
        network: (N, 3, h, w) in [0, 1] -> (N, D).
        count: how many; a network of fewer is named at some layers twice.
        side: h and w in pixels of the picture that is tried.

    Raises:
        InputError: no layer gives a map.
    """
    found: dict[str, None] = {}

    def note(name: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[-2:]) > 1 and len(output) == 2:
            found[name] = None

    leaves = [(name, layer) for name, layer in network.named_modules() if name and not list(layer.children())]
    hooks = [layer.register_forward_hook(partial(note, name)) for name, layer in leaves]
    place = next((p.device for p in network.parameters()), torch.device("cpu"))
    try:
        network(torch.full((2, 3, side, side), 0.5, device=place))
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise InputError(f"{type(network).__name__} has no layer that gives a map; its stages cannot be reached.")
    names = [*found]
    return tuple(names[max(0, round((k + 1) * len(names) / count) - 1)] for k in range(count))


class MultiScale(nn.Module):
    """What the places say -> a condition for each bucket of noise levels.

    Args:
        widths: numbers per picture of each place, from the first to the last.
        dim: length of a condition.
    """

    def __init__(self, widths: Sequence[int], dim: int) -> None:
        super().__init__()
        self.standardize = nn.ModuleList(Standardize(torch.zeros(1, width)) for width in widths)
        self.project = nn.ModuleList(
            nn.Sequential(nn.Linear(width, dim), nn.Linear(dim, dim, bias=False)) for width in widths
        )
        self.bucket = nn.Parameter(torch.randn(BUCKETS, dim))
        self.mix = nn.Linear(dim, dim)

    def forward(self, said: Sequence[Tensor]) -> Tensor:
        """(N, width) of each place -> (N, BUCKETS, dim)."""
        scales = [
            F.normalize(project(standardize(x)), dim=1)
            for project, standardize, x in zip(self.project, self.standardize, said, strict=True)
        ]
        of_bucket = torch.stack([scales[bucket * len(scales) // BUCKETS] for bucket in range(BUCKETS)], dim=1)
        return self.mix(math.sqrt(of_bucket.shape[2]) * of_bucket * self.bucket)  # type: ignore[no-any-return]
