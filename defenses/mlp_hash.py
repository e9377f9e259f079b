"""MLP-Hash: the embedding through a network of random orthonormal weights, then cut into bits.

Shahreza, Hahn, Marcel, "MLP-Hash: Protecting Face Templates via Hashing of Randomized Multi-Layer Perceptron", EUSIPCO
2023. The key seeds one random matrix per layer, made orthonormal; hidden layers are followed by a ReLU, and the output
by a threshold at its own mean: b = 1[W_out h > mean(W_out h)], h = relu(W_l ... relu(W_1 z)). The score is 1 - Hamming
distance / bits. Secret: the weights. The server stores the bits.

The abstract was read; the depth (three hidden layers), their width (twice the embedding) and the threshold follow a
third party's account of the paper's body, and no figure of it is quoted. A matrix that widens has orthonormal columns,
one that narrows orthonormal rows (both at once is possible for square ones only).
Differs from the paper: by default one key per installation rather than per person (see ``biohash.py``, `keyed.py`).
Fidelity: simplified. With the key, the signs sent back through the transposed matrices point along the embedding, as
far as the ReLUs, which are left out there, let them.

Random ReLU layers pull all angles together (the arc-cosine kernel): impostors agree in more than half of the bits, and
genuine pairs stand out less from the chance of the bits. Where all share one key that costs accuracy, more so the
shorter the code; with a key per person the wrong key hides it.
"""

from __future__ import annotations

import functools
import itertools
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
class MlpHashSettings(KeyedSettings):
    """Size of the random network."""

    bits: int = 0  # length of the code; 0 = the embedding's dimension
    hidden: int = 3  # hidden layers; 0 leaves a BioHash with another threshold
    units: int = 0  # units of each hidden layer; 0 = twice the embedding's dimension


@register_defense("mlp-hash")
class MlpHash(KeyedTemplate):
    """Bits of a keyed random network's output."""

    fidelity = Fidelity.SIMPLIFIED
    paper = "Shahreza, Hahn & Marcel, EUSIPCO 2023"
    claims = "Bits that cannot be inverted or linked, and can be re-issued with another key."
    silent_without_key = True
    Settings = MlpHashSettings
    settings: MlpHashSettings

    def _build(self, context: FitContext) -> None:
        s = self.settings
        if min(s.bits, s.hidden, s.units) < 0 or s.bits == 1:
            raise InputError(f"mlp-hash: bits (not 1), hidden and units must not be negative, got {s}.")

    def _layers(self, key: Rng, dim: int) -> tuple[Tensor, ...]:
        s, key = self.settings, key.child("mlp-hash")
        return random_layers(key.seed, key.labels, (dim, *[s.units or 2 * dim] * s.hidden, s.bits or dim))

    def estimate(self, templates: Tensor, key: Rng) -> Tensor:
        """The signs through the transposed matrices, last one first."""
        x = 2 * templates.float() - 1
        for weight in reversed(self._layers(key, int(self.recognizer.dim))):
            x = x @ weight.to(x)
        return x

    def protect(self, embeddings: Tensor, key: Rng) -> Tensor:
        """(N, D) -> (N, bits) bool."""
        *hidden, last = self._layers(key, embeddings.shape[1])
        x = embeddings
        for weight in hidden:
            x = (x @ weight.to(x).T).relu()
        x = x @ last.to(x).T
        return x > x.mean(dim=1, keepdim=True)

    def compare(self, templates: Tensor, probes: Tensor) -> Tensor:  # type: ignore[override]
        """(N,) share of equal bits."""
        return (templates == probes).float().mean(dim=1)


# Kept between calls: a training attack hashes thousands of batches with one key.
@functools.lru_cache(maxsize=8)
def random_layers(seed: int, labels: tuple[str, ...], sizes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """(out, in) weights between successive ``sizes``, their columns or rows orthonormal and uniformly distributed."""
    weights = []
    for number, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        tall = Rng(seed, *labels, number).normal(torch.arange(max(n_in, n_out)), (min(n_in, n_out),)).double()
        q, r = torch.linalg.qr(tall)
        q = q * r.diagonal().sign()  # without the signs Q would depend on the routine that made it
        weights.append((q if n_out >= n_in else q.T).float().contiguous())
    return tuple(weights)
