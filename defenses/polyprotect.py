"""PolyProtect: a few neighbouring elements of the embedding become one value of a secret polynomial.

Hahn, Marcel, "Towards Protecting Face Embeddings in Mobile Face Verification Scenarios", IEEE TBIOM 4(1), 2022. With
integer coefficients C and exponents E of m terms, and windows that overlap by o elements,
  P_i = c_1 v_s^e_1 + c_2 v_(s+1)^e_2 + ... + c_m v_(s+m-1)^e_m,   s = i (m - o);
C are distinct non-zero integers in [-50, 50], E is an order of 1..m, and the embedding is padded with zeros so that the
last window is full. Compared by cosine. Secret: C and E. The server stores P.
Settings of the paper: m = 5, o = 0..4; accuracy and the chance to solve for v both rise with o.

Differs from the paper: by default one (C, E) per installation rather than per person (see ``biohash.py``, `keyed.py`).
Its figures are of other recognisers and data, and none is quoted. Fidelity: simplified.

The elements of a unit vector of hundreds of dimensions are small (0.04 at D = 512), so that high powers fade: P says
little more than its terms of exponent 1 and 2, both to who compares and to who wants to solve for v.
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
from ..bench.core.seeding import Rng
from ..bench.core.surfaces import Fidelity
from .keyed import KeyedSettings, KeyedTemplate


@dataclass(frozen=True)
class PolyProtectSettings(KeyedSettings):
    """The polynomial and its windows."""

    terms: int = 5  # m, elements per window and highest exponent; paper: 5
    overlap: int = 2  # o, elements that two windows share; paper: 0 to 4
    largest: int = 50  # bound of the coefficients; paper: 50


@register_defense("polyprotect")
class PolyProtect(KeyedTemplate):
    """Values of a keyed polynomial over overlapping windows of the embedding."""

    fidelity = Fidelity.SIMPLIFIED
    paper = "Hahn & Marcel, IEEE TBIOM 2022"
    claims = "The embedding cannot be solved for, even by who knows the polynomial, and the template can be re-issued."
    Settings = PolyProtectSettings
    settings: PolyProtectSettings

    def _build(self, context: FitContext) -> None:
        s, dim = self.settings, int(context.recognizer.dim)  # type: ignore[arg-type]
        if not 2 <= s.terms <= dim:
            raise InputError(f"polyprotect: terms must lie in 2..{dim} (the embedding's dimension), got {s.terms}.")
        if not 0 <= s.overlap < s.terms:
            raise InputError(f"polyprotect: overlap must lie in 0..{s.terms - 1} (below terms), got {s.overlap}.")
        if 2 * s.largest < s.terms:
            raise InputError(
                f"polyprotect: {s.terms} distinct coefficients need largest >= {(s.terms + 1) // 2}, got {s.largest}."
            )

    def protect(self, embeddings: Tensor, key: Rng) -> Tensor:
        """(N, D) -> (N, ceil((D - m) / (m - o)) + 1)."""
        coefficients, exponents = (part.to(embeddings.device) for part in self._polynomial(key))
        return protect(embeddings, coefficients, exponents, self.settings.overlap)

    def estimate(self, templates: Tensor, key: Rng) -> Tensor:
        """The term of exponent 1 alone: v_(s+j) = P_i / c_j; elements of no such term stay 0."""
        coefficients, exponents = self._polynomial(key)
        j = int((exponents == 1).nonzero())
        step = self.settings.terms - self.settings.overlap
        places = j + step * torch.arange(templates.shape[1])
        inside = places < int(self.recognizer.dim)
        found = torch.zeros(len(templates), int(self.recognizer.dim), device=templates.device)
        found[:, places[inside]] = templates[:, inside].float() / float(coefficients[j])
        return found

    def polynomial(self, secret: SecretDraw) -> tuple[Tensor, Tensor]:
        """(m,) int64 coefficients and (m,) int64 exponents, functions of the deployment secret only."""
        return self._polynomial(secret.deployment)

    def _polynomial(self, key: Rng) -> tuple[Tensor, Tensor]:
        s, key = self.settings, key.child("polyprotect")
        once = torch.zeros(1, dtype=torch.int64)
        drawn = key.child("coefficients").permutation(once, 2 * s.largest)[0, : s.terms] - s.largest
        coefficients = torch.where(drawn >= 0, drawn + 1, drawn)  # -largest .. -1, 1 .. largest
        return coefficients, key.child("exponents").permutation(once, s.terms)[0] + 1


def protect(v: Tensor, coefficients: Tensor, exponents: Tensor, overlap: int) -> Tensor:
    """(N, D) -> (N, windows): sum_j c_j v^e_j over windows that share ``overlap`` elements, zeros after the end."""
    terms = len(coefficients)
    step = terms - overlap
    windows = F.pad(v, (0, -(v.shape[1] - terms) % step)).unfold(1, terms, step)  # (N, windows, m)
    powers = windows.unsqueeze(-1).expand(-1, -1, -1, terms).cumprod(dim=-1)  # v, v^2, ..., v^m
    chosen = powers.gather(-1, (exponents - 1).expand(windows.shape).unsqueeze(-1)).squeeze(-1)
    return chosen @ coefficients.to(v)
