"""BioHash: a keyed random projection of the embedding, cut into bits.

Jin, Ling, Goh, "Biohashing: two factor authentication featuring fingerprint data and tokenised random number", Pattern
Recognition 37(11), 2004, section 3: orthonormalised random vectors from the token, inner products with the feature,
threshold at 0. Secret: the token. The server stores the bits.

Differs from the paper: one token per installation rather than per person, which is the case that standards call the
stolen-token scenario for verification. With a token per person impostors also carry the wrong token, so error rates say
nothing about the template; one token is the conservative reading. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Secret, Surface
from .base import Defense


@dataclass(frozen=True)
class BioHashSettings:
    """Size of the code."""

    bits: int = 0  # number of bits; 0 = the embedding's dimension (the most an orthonormal set can give)


@register_defense("biohash")
class BioHash(Defense):
    """b = 1[R z > 0], R orthonormal and secret; score = 1 - Hamming distance / bits."""

    protects = Surface.TEMPLATE
    secrets = frozenset({Secret.DEPLOYMENT})
    fidelity = Fidelity.SIMPLIFIED
    paper = "Jin, Ling & Goh, Pattern Recognition 2004"
    claims = "Bits that cannot be inverted without the token, and can be re-issued."
    Settings = BioHashSettings
    settings: BioHashSettings
    bits: int

    def _build(self, context: FitContext) -> None:
        dim = int(context.recognizer.dim)  # type: ignore[arg-type]
        self.bits = self.settings.bits or dim
        if not 1 <= self.bits <= dim:
            raise InputError(f"biohash: bits must lie in 1..{dim} (the embedding's dimension), got {self.bits}.")

    def enroll(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """(N, D) -> (N, bits) bool."""
        return embeddings @ self._projection(secret, embeddings.shape[1]).to(embeddings) > 0

    def probe(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """As ``enroll``: the client holds the same token."""
        return self.enroll(embeddings, secret)

    def compare(self, templates: Tensor, probes: Tensor) -> Tensor:  # type: ignore[override]
        """(N,) share of equal bits."""
        return (templates == probes).float().mean(dim=1)

    def _projection(self, secret: SecretDraw, dim: int) -> Tensor:
        """(D, bits) with orthonormal columns, a function of the deployment secret only."""
        columns = secret.deployment.child("biohash").normal(torch.arange(dim), (self.bits,)).double()
        return torch.linalg.qr(columns)[0].float()
