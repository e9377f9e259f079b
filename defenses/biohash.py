"""BioHash: a keyed random projection of the embedding, cut into bits.

Jin, Ling, Goh, "Biohashing: two factor authentication featuring fingerprint data and tokenised random number", Pattern
Recognition 37(11), 2004, section 3: orthonormalised random vectors from the token, inner products with the feature,
threshold at 0. Secret: the token. The server stores the bits.

Differs from the paper: by default one token per installation rather than per person, which is the case that standards
call the stolen-token scenario for verification; ``key = "person"`` is the paper's (`keyed.py`). With a token per person
impostors also carry the wrong token, so error rates say nothing about the template; one token is the conservative
reading. Fidelity: simplified. With the token, R (2 b - 1) points along the embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.registry import register_defense
from ..bench.core.seeding import Rng
from ..bench.core.surfaces import Fidelity
from .keyed import KeyedSettings, KeyedTemplate


@dataclass(frozen=True)
class BioHashSettings(KeyedSettings):
    """Size of the code."""

    bits: int = 0  # number of bits; 0 = the embedding's dimension (the most an orthonormal set can give)


@register_defense("biohash")
class BioHash(KeyedTemplate):
    """b = 1[R z > 0], R orthonormal and secret; score = 1 - Hamming distance / bits."""

    fidelity = Fidelity.SIMPLIFIED
    paper = "Jin, Ling & Goh, Pattern Recognition 2004"
    claims = "Bits that cannot be inverted without the token, and can be re-issued."
    silent_without_key = True
    Settings = BioHashSettings
    settings: BioHashSettings
    bits: int

    def _build(self, context: FitContext) -> None:
        dim = int(context.recognizer.dim)  # type: ignore[arg-type]
        self.bits = self.settings.bits or dim
        if not 1 <= self.bits <= dim:
            raise InputError(f"biohash: bits must lie in 1..{dim} (the embedding's dimension), got {self.bits}.")

    def protect(self, embeddings: Tensor, key: Rng) -> Tensor:
        """(N, D) -> (N, bits) bool."""
        return embeddings @ self._projection(key, embeddings.shape[1]).to(embeddings) > 0

    def estimate(self, templates: Tensor, key: Rng) -> Tensor:
        """R (2 b - 1)."""
        return (2 * templates.float() - 1) @ self._projection(key, int(self.recognizer.dim)).to(templates.device).T

    def compare(self, templates: Tensor, probes: Tensor) -> Tensor:  # type: ignore[override]
        """(N,) share of equal bits."""
        return (templates == probes).float().mean(dim=1)

    def _projection(self, key: Rng, dim: int) -> Tensor:
        """(D, bits) with orthonormal columns, a function of the key only."""
        columns = key.child("biohash").normal(torch.arange(dim), (self.bits,)).double()
        return torch.linalg.qr(columns)[0].float()
