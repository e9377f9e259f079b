"""Additive noise on the stored template, with its differential-privacy account.

Dwork, McSherry, Nissim, Smith, "Calibrating Noise to Sensitivity in Private Data Analysis", TCC 2006 (Laplace);
Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy", ICML 2018, Theorem 8 (Gaussian).
Textbook mechanisms, not a paper's system. The strength is given as noise relative to the template, because budgets that
leave a face template usable are far beyond what the literature calls private: the epsilon that results is reported, per
stored template (k stored templates of one person compose to k epsilon). The stored vector is normalised again, which is
post-processing and does not change epsilon.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F
from scipy.optimize import brentq
from scipy.special import log_ndtr
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Secret, Surface
from .base import Defense


@dataclass(frozen=True)
class NoiseSettings:
    """Strength of the noise."""

    relative_noise: float = 0.5  # root mean square norm of the noise / norm of the template (1)
    delta: float = 1e-5  # Gaussian only: probability with which epsilon may fail


class _Noise(Defense):
    """Shared by both mechanisms."""

    protects = Surface.TEMPLATE
    secrets = frozenset({Secret.SAMPLE})
    Settings = NoiseSettings
    settings: NoiseSettings
    dim: int

    def _build(self, context: FitContext) -> None:
        if self.settings.relative_noise <= 0:
            raise InputError(f"{self.name}: relative_noise must be positive, got {self.settings.relative_noise}.")
        if not 0 < self.settings.delta < 1:
            raise InputError(f"{self.name}: delta must lie in (0, 1), got {self.settings.delta}.")
        self.dim = int(context.recognizer.dim)  # type: ignore[arg-type]

    def _noise(self, secret: SecretDraw, shape: tuple[int, ...]) -> Tensor:
        """(N, D) noise of unit variance per coordinate."""
        return secret.sample.child("noise").normal(secret.ids, shape)

    def enroll(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """z + n, normalised; the noise is drawn once per enrolment and only on the stored side."""
        noise = self._noise(secret, tuple(embeddings.shape[1:])).to(embeddings.device)
        scale = self.settings.relative_noise / math.sqrt(embeddings.shape[1])
        return F.normalize(embeddings + scale * noise, dim=1)


@register_defense("gaussian-noise")
class GaussianNoise(_Noise):
    """Gaussian mechanism, L2 sensitivity 2 (two unit vectors)."""

    paper = "Balle & Wang, ICML 2018 (accounting)"
    claims = "(epsilon, delta)-differential privacy of the stored template."

    def properties(self) -> dict[str, float | str]:
        """``epsilon`` at the stated ``delta``, by the analytic Gaussian mechanism."""
        sigma = self.settings.relative_noise / math.sqrt(self.dim)
        return {"epsilon": gaussian_epsilon(sigma, 2.0, self.settings.delta), "delta": self.settings.delta}


@register_defense("laplace-noise")
class LaplaceNoise(_Noise):
    """Laplace mechanism, L1 sensitivity 2 sqrt(D) (two unit vectors)."""

    paper = "Dwork et al., TCC 2006"
    claims = "epsilon-differential privacy of the stored template."

    def _noise(self, secret: SecretDraw, shape: tuple[int, ...]) -> Tensor:
        return secret.sample.child("noise").laplace(secret.ids, shape) / math.sqrt(2)

    def properties(self) -> dict[str, float | str]:
        """``epsilon`` = sensitivity / scale."""
        scale = self.settings.relative_noise / math.sqrt(2 * self.dim)
        return {"epsilon": 2 * math.sqrt(self.dim) / scale}


def gaussian_epsilon(sigma: float, sensitivity: float, delta: float) -> float:
    """Smallest epsilon of Gaussian noise (Balle & Wang, Theorem 8).

    delta(eps) = Phi(s/2o - eps o/s) - exp(eps) Phi(-s/2o - eps o/s), with s the sensitivity and o the deviation; solved
    for eps by root finding on its logarithm-safe form.
    """

    def excess(epsilon: float) -> float:
        a, b = sensitivity / (2 * sigma), epsilon * sigma / sensitivity
        return math.exp(log_ndtr(a - b)) - math.exp(min(700.0, epsilon + log_ndtr(-a - b))) - delta

    if excess(0.0) <= 0:
        return 0.0
    high = 1.0
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, 0.0, high, xtol=1e-9, rtol=1e-12))
