"""Score regression: a fixed set of probe faces, the scores that the system gives them, one linear solve.

"Scores Tell Everything about Bob" (IEEE S&P 2024): 99 similarity scores, asked once and not adaptively, pin the
template down, because a score is the inner product with an embedding that the adversary can compute itself.
    w, b = argmin mean_j (<w, a_j> + b - s_j)^2 + penalty |w|^2,   a_j the surrogate's embedding of probe j
and w / |w| is who it is, in the surrogate's space. The intercept and the free scale absorb how the system scales its
scores, so any defence that still ranks faces is within reach. The picture comes from ``regenerator.py``.
It reads no leak: what it needs is an account that may be compared with.
Differs from the paper: the probes are public photographs spread out greedily (each the least alike to those before it)
rather than synthesised, and the adversary's recogniser is always a surrogate. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.errors import InputError, NotApplicable
from ..bench.core.leaks import Leak
from ..bench.core.linear import ridge
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Fidelity, Surface
from ..bench.core.threat import RecognizerAccess, ThreatModel
from .base import Attack
from .regenerator import Regenerator, RegeneratorSettings


@dataclass(frozen=True)
class ScoreRegressionSettings(RegeneratorSettings):
    """How many scores are asked for."""

    scores: int = 99  # per victim, as in the paper
    among: int = 2000  # public faces that the probes are chosen from
    penalty: float = 1e-3  # on the weights; scores of unit variance


@register_attack("score-regression")
class ScoreRegression(Attack):
    """Scores of fixed probes -> embedding in the surrogate's space -> picture."""

    threat = ThreatModel(recognizer=RecognizerAccess.SCORES)
    surfaces = frozenset({Surface.TEMPLATE})
    recovers = frozenset({"image", "identity"})
    fidelity = Fidelity.SIMPLIFIED
    paper = "Scores Tell Everything about Bob, IEEE S&P 2024"
    paper_value = "99 scores"
    paper_source = "its released code"
    Settings = ScoreRegressionSettings
    settings: ScoreRegressionSettings

    def _fit(self, context: AttackContext) -> None:
        if context.surrogate_embeddings is None:
            raise NotApplicable("score-regression needs a recogniser of the adversary's own; name a surrogate.")
        z = context.surrogate_embeddings()
        if not 2 <= self.settings.scores <= min(len(z), self.settings.among):
            raise InputError(
                f"score-regression: scores must lie in 2..{min(len(z), self.settings.among)} (the candidates "
                f"among the public faces), got {self.settings.scores}."
            )
        self.probes = spread_out(z[: self.settings.among], self.settings.scores)
        self.keys = z[self.probes]  # (n, D)
        self.draw = Regenerator(z.shape[1], context.resolution, self.settings.draw_width).to(context.device)
        self.draw.learn(z, context, self.settings, "surrogate")

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        asked = [context.target.public_scores(self.probes, one.expand(len(self.probes))).cpu() for one in index]
        scores = torch.stack(asked).double()  # (N, n)
        spread = scores.std(1, keepdim=True).clamp(min=1e-9)
        weight, _ = ridge(self.keys, ((scores - scores.mean(1, keepdim=True)) / spread).T, self.settings.penalty)
        z = F.normalize(weight.T.float() + 1e-9, dim=1).to(context.device)  # (N, D); of no score at all: any direction
        return Recovery(self.draw(z), z, "surrogate")


def spread_out(z: Tensor, count: int) -> Tensor:
    """(count,) positions in (n, D) unit-norm embeddings, each the least alike to the closest one chosen before it."""
    chosen = [0]
    closest = z @ z[0]
    for _ in range(count - 1):
        chosen.append(int(closest.argmin()))
        closest = torch.maximum(closest, z @ z[chosen[-1]])
    return torch.tensor(chosen)
