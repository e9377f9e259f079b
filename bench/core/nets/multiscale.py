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

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import grey, outputs, spread_over, tried
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
        said, layers = tried(recognizer), dict(recognizer.named_modules())
        names = [name for name, x in said.items() if x.is_floating_point() and x.ndim in (2, 4) and len(x) == 2]
        self.layers = [layers[name] for name in spread_over([*names, ""], LAYERS)]  # "" is the network as a whole
        self.widths = tuple(x.shape[1] for x in self(grey(recognizer)))

    def __call__(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1] -> what each place says, (N, width) each, maps averaged over the picture."""
        said = outputs(self.recognizer, {str(k): layer for k, layer in enumerate(self.layers)}, images)
        found = [said[str(k)].float() for k in range(LAYERS)]
        return [x.flatten(2).mean(2) if x.ndim == 4 else x for x in found]

    def digest(self) -> str:
        """Short sha256 of the recogniser's weights."""
        sha = hashlib.sha256()
        for name, value in sorted(self.recognizer.state_dict().items()):
            sha.update(name.encode())
            sha.update(value.detach().cpu().double().numpy().tobytes())
        return sha.hexdigest()[:12]


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
