"""Linear ridge decoder: the closed-form inverse of a leak, no network.

y = mean + B (A z), where B holds the first principal components of the public faces and A is the ridge regression of
their coefficients on the standardised leak. The floor that a learned decoder must beat to have learnt anything.
Fidelity: baseline (no paper).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.leaks import Leak
from ..bench.core.linear import ridge
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Surface
from ..bench.core.threat import RecognizerAccess, ThreatModel
from .base import Attack


@dataclass(frozen=True)
class LinearRidgeSettings:
    """Size and stiffness."""

    components: int = 256  # principal components of the pictures
    ridge: float = 1.0  # penalty, in units of one sample's unit variance
    samples: int = 4096  # public pairs used


@register_attack("linear-ridge")
class LinearRidge(Attack):
    """Closed form; runs in a second."""

    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)
    surfaces = frozenset({Surface.TEMPLATE})
    uses_pairs = True
    Settings = LinearRidgeSettings
    settings: LinearRidgeSettings

    def _fit(self, context: AttackContext) -> None:
        self._need(plane=False)
        count = min(self.settings.samples, context.target.pair_budget)
        index = torch.arange(count)
        z = self.inputs(context.target.all_pairs(count)).double()  # (n, K)
        x = context.public.resized(index, context.resolution).flatten(1)  # (n, 3 s s)
        mean = x.mean(0)
        rank = min(self.settings.components, count - 1)
        # A fixed seed for the randomised SVD: the result must not depend on global state.
        with torch.random.fork_rng():
            torch.manual_seed(0)
            _, _, basis = torch.svd_lowrank(x - mean, q=rank, niter=3)  # (3 s s, rank)
        coefficients = ((x - mean) @ basis).double()
        weight, offset = ridge(z, coefficients, self.settings.ridge / count)  # (K, rank), (rank,)
        mean = mean + basis @ offset.float()
        for name, value in (("mean", mean), ("basis", basis), ("weight", weight.float())):
            self.register_buffer(name, value, persistent=False)

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        y = self.mean + (self.inputs(leak) @ self.weight) @ self.basis.T
        side = context.resolution
        return Recovery(y.reshape(-1, 3, side, side).clamp(0, 1))

    mean: Tensor
    basis: Tensor
    weight: Tensor
