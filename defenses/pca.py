"""PCA of the stored template: only its leading components are kept.

Textbook: principal components of the train split's embeddings (Pearson 1901). No secret, no claim of a paper's: it is
the plainest way to store less, and shows how much of a template an inverter needs. The basis belongs to the system and
is public. Stored are the coordinates in the basis (``codes``), or the embedding that they give back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Surface
from .base import Defense


@dataclass(frozen=True)
class PcaSettings:
    """What is kept."""

    components: int = 0  # k; 0 = a quarter of the embedding's dimension
    whiten: bool = False  # unit variance of every component on the train split
    store: Literal["codes", "reconstruction"] = "codes"  # k numbers, or D numbers that hold no more than the k


@register_defense("pca")
class Pca(Defense):
    """y = B (z - mean), B the leading eigenvectors of the train embeddings' covariance; score = cosine."""

    protects = Surface.TEMPLATE
    claims = "What the dropped components held of the face is gone."
    Settings = PcaSettings
    settings: PcaSettings
    mean: Tensor
    basis: Tensor
    deviation: Tensor

    def _build(self, context: FitContext) -> None:
        dim = int(context.recognizer.dim)  # type: ignore[arg-type]
        k = self.settings.components or max(1, dim // 4)
        if not 1 <= k <= dim:
            raise InputError(f"pca: components must lie in 1..{dim} (the embedding's dimension), got {k}.")
        if self.settings.whiten and self.settings.store == "reconstruction":
            raise InputError("pca: a reconstruction undoes whitening; choose store = 'codes' or whiten = false.")
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("basis", torch.eye(dim)[:k].clone())  # (k, D), orthonormal rows
        self.register_buffer("deviation", torch.ones(k))  # standard deviation along each row

    @torch.no_grad()
    def _fit(self, context: FitContext) -> None:
        k, seen = len(self.basis), 0 if context.train is None else len(context.train)
        if seen <= k:
            raise InputError(
                f"pca: {k} components need more than {k} images of a train split, got {seen}; give the track a larger "
                "one or lower components."
            )
        z = context.embeddings().double()
        mean = z.mean(dim=0)
        variance, vectors = torch.linalg.eigh((z - mean).T @ (z - mean) / (len(z) - 1))  # ascending
        basis = vectors.T.flip(0)[:k]
        largest = basis.gather(1, basis.abs().argmax(dim=1, keepdim=True))
        self.mean.copy_(mean)
        self.basis.copy_(basis * largest.sign())  # an eigenvector's sign is free; fixed so that a fit is repeatable
        # A component that never varies is left as it is: it would only be divided by rounding.
        spread = variance.flip(0)[:k].clamp(min=0).sqrt()
        self.deviation.copy_(torch.where(spread > 1e-6 * spread[0], spread, 1.0))

    def enroll(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """(N, D) -> (N, k) codes or (N, D)."""
        codes = (embeddings - self.mean) @ self.basis.T
        if self.settings.store == "reconstruction":
            return codes @ self.basis + self.mean
        return codes / self.deviation if self.settings.whiten else codes

    def probe(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """As ``enroll``: the basis is public."""
        return self.enroll(embeddings, secret)
