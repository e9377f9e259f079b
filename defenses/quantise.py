"""Quantised templates: each coordinate in a few bits, down to its sign.

Textbook uniform quantiser (Max, "Quantizing for Minimum Distortion", IRE Trans. 1960, for the ranges that suit a normal
coordinate). Done everywhere to save storage; here to show what it does to an inverter. No secret. Stored are the level
numbers, one byte each however few the bits, so that the size shown is D bytes; packed it would be D bits / 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Surface
from .base import Defense


@dataclass(frozen=True)
class QuantiseSettings:
    """How fine."""

    bits: int = 1  # per coordinate, 1 = the sign only, 8 = a byte
    reach: float = 2.5  # outermost cells end at +- reach / sqrt(D), that many standard deviations of a coordinate


@register_defense("quantise")
class Quantise(Defense):
    """2^b equal cells over [-r, r]; what lies beyond falls into the outermost; score = cosine of the cells' centres."""

    protects = Surface.TEMPLATE
    claims = "A template of a few bits per coordinate holds less of the face."
    Settings = QuantiseSettings
    settings: QuantiseSettings
    reach: float

    def _build(self, context: FitContext) -> None:
        s = self.settings
        if not 1 <= s.bits <= 8 or s.reach <= 0:
            raise InputError(f"quantise: bits must lie in 1..8 and reach be positive, got {s.bits} and {s.reach}.")
        self.reach = s.reach / float(context.recognizer.dim) ** 0.5  # type: ignore[arg-type]

    def enroll(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """(N, D) -> (N, D) uint8 level numbers 0 .. 2^b - 1, rising with the coordinate."""
        levels = 2**self.settings.bits
        cell = ((embeddings / self.reach + 1) * (levels / 2)).floor()
        return cell.clamp(0, levels - 1).to(torch.uint8)

    def probe(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """As ``enroll``: both sides are compared in the same form."""
        return self.enroll(embeddings, secret)

    def compare(self, templates: Tensor, probes: Tensor) -> Tensor:  # type: ignore[override]
        """(N,) cosine of the centres; of signs it is 1 - 2 Hamming distance / D."""
        return F.cosine_similarity(self.centres(templates), self.centres(probes), dim=1)

    def centres(self, cells: Tensor) -> Tensor:
        """Level numbers -> the coordinates that they stand for, float32."""
        return ((cells.float() + 0.5) * (2 / 2**self.settings.bits) - 1) * self.reach
