"""IoM hashing: of each group of random projections, store which one is largest.

Jin et al., "Ranking-Based Locality Sensitive Hashing-Enabled Cancelable Biometrics: Index-of-Max Hashing", IEEE TIFS
13(2), 2018. Two forms (setting ``variant``):
  grp  m groups of q Gaussian projections; code i = argmax_j <w_ij, z>;
  urp  m times the Hadamard product of p randomly permuted copies of z; code i = argmax over its first k elements.
The score is the share of equal codes. Secret: the projections or permutations. The server stores m small integers.
Only the order counts, so the codes do not change with the length of z.
Settings: m = 300 and q = 16 are what work on deep embeddings usually takes; the paper tunes them on fingerprints.

Differs from the paper: by default one key per installation rather than per person (see ``biohash.py``, `keyed.py`);
face embeddings rather than fingerprint vectors, so that none of its error rates applies here. Fidelity: simplified.

For who reads the codes: they are categories, not quantities. A network that takes 0..q-1 as numbers sees an order that
is not there; published attackers feed one-hot vectors of m q entries. With the key known the codes are m (q - 1) linear
inequalities on z (Ghammam et al., "A Cryptanalysis of Two Cancelable Biometric Schemes Based on Index-of-Max Hashing",
IEEE TIFS 2020), and the mean of the winning vectors already points along z.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.registry import register_defense
from ..bench.core.seeding import Rng
from ..bench.core.surfaces import Fidelity
from .keyed import KeyedSettings, KeyedTemplate


@dataclass(frozen=True)
class IomHashSettings(KeyedSettings):
    """Form and size of the code."""

    variant: Literal["grp", "urp"] = "grp"  # Gaussian projections or permutations
    codes: int = 300  # m, integers stored
    size: int = 16  # q, projections per code (grp)
    window: int = 0  # k, elements looked at (urp); 0 = half of the embedding's dimension
    products: int = 2  # p, permuted copies multiplied (urp); 1 = none


@register_defense("iom-hash")
class IomHash(KeyedTemplate):
    """The index of the largest of a few keyed random responses, many times over."""

    fidelity = Fidelity.SIMPLIFIED
    paper = "Jin et al., IEEE TIFS 2018"
    claims = "Indices that cannot be inverted, and can be re-issued with another key."
    silent_without_key = True
    Settings = IomHashSettings
    settings: IomHashSettings
    alphabet: int

    def _build(self, context: FitContext) -> None:
        s, dim = self.settings, int(context.recognizer.dim)  # type: ignore[arg-type]
        if s.codes < 1 or s.products < 1:
            raise InputError(f"iom-hash: codes and products must be at least 1, got {s.codes} and {s.products}.")
        name, most = ("size", 1 << 15) if s.variant == "grp" else ("window", dim)
        self.alphabet = s.size if s.variant == "grp" else s.window or max(2, dim // 2)
        if not 2 <= self.alphabet <= most:
            raise InputError(f"iom-hash: {name} must lie in 2..{most}, got {self.alphabet}.")

    def protect(self, embeddings: Tensor, key: Rng) -> Tensor:
        """(N, D) -> (N, m) indices, uint8 where they fit into a byte, else int16."""
        key = key.child("iom-hash", self.settings.variant)
        respond = self._projected if self.settings.variant == "grp" else self._permuted
        # In parts: at D = 512 the responses of one face to 300 permutations already fill 300 kB.
        codes = torch.cat([respond(part, key).argmax(dim=2) for part in embeddings.split(256)])
        return codes.to(torch.uint8 if self.alphabet <= 256 else torch.int16)

    def _projected(self, z: Tensor, key: Rng) -> Tensor:
        """(N, D) -> (N, m, q) inner products."""
        count = self.settings.codes * self.alphabet
        vectors = gaussian_vectors(key.seed, key.labels, z.shape[1], count)
        return (z @ vectors.to(z)).unflatten(1, (self.settings.codes, self.alphabet))

    def _permuted(self, z: Tensor, key: Rng) -> Tensor:
        """(N, D) -> (N, m, k) products."""
        order = permutations(key.seed, key.labels, z.shape[1], self.settings.codes, self.settings.products)
        copies = order[..., : self.alphabet].to(z.device).unbind(dim=1)
        return functools.reduce(torch.mul, (z[:, copy] for copy in copies))

    def estimate(self, templates: Tensor, key: Rng) -> Tensor:
        """The mean of the winning vectors (grp); how often each element won, in all its copies, less the mean (urp)."""
        s, dim, key = self.settings, int(self.recognizer.dim), key.child("iom-hash", self.settings.variant)
        codes = templates.long()
        if s.variant == "grp":
            vectors = gaussian_vectors(key.seed, key.labels, dim, s.codes * self.alphabet).to(templates.device)
            places = codes + self.alphabet * torch.arange(s.codes, device=codes.device)
            return torch.stack([vectors[:, row].mean(1) for row in places])
        order = permutations(key.seed, key.labels, dim, s.codes, s.products).to(codes.device)
        won = order.gather(2, codes.T[:, None].expand(-1, s.products, -1))  # (m, p, N)
        counts = torch.zeros(len(codes), dim, device=codes.device)
        counts.scatter_add_(1, won.flatten(0, 1).T, torch.ones_like(won.flatten(0, 1).T, dtype=counts.dtype))
        return counts - counts.mean(1, keepdim=True)

    def compare(self, templates: Tensor, probes: Tensor) -> Tensor:  # type: ignore[override]
        """(N,) share of equal codes."""
        return (templates == probes).float().mean(dim=1)


# Kept between calls: a training attack hashes thousands of batches with one key.
@functools.lru_cache(maxsize=8)
def gaussian_vectors(seed: int, labels: tuple[str, ...], dim: int, count: int) -> Tensor:
    """(D, count) standard normal, a function of the key only."""
    return Rng(seed, *labels).normal(torch.arange(count), (dim,)).T.contiguous()


@functools.lru_cache(maxsize=8)
def permutations(seed: int, labels: tuple[str, ...], dim: int, codes: int, products: int) -> Tensor:
    """(codes, products, D) int64, one permutation of the elements for each code and copy."""
    return Rng(seed, *labels).permutation(torch.arange(codes * products), dim).unflatten(0, (codes, products))
