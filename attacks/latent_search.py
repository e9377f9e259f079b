"""Search in the latent space of the shared face prior for the face whose embedding is the leaked one.

latent-inversion: white box. FRTA / ALSUV (ECCV 2024, arXiv 2407.02403): several starts, gradient descent on
    1 - cos(f(G(w)), t) + weight_prior mean w^2,
the second half of each trajectory averaged, and the start chosen without supervision: by likeness, in the space of the
adversary's own recogniser, to the mean of all candidates (the "pseudo target"); without one, by the attacked one.
zeroth-order: queries only. QE-BBFR (ICIP 2023) and Map2V (CVPR 2024): begin with the mean of the best of many samples,
then estimate the gradient from differences along random directions,
    g = (dim / n) sum_i (L(w + mu u_i) - L(w)) / mu u_i,   L = 1 - cos(leak(G(w)), leak).
Every picture that is asked about is counted, the first samples too. Published budgets: 4,000 (QE-BBFR) and 7,300
queries (Map2V).
Differs from the papers: the small autoencoder of `bench/zoo/prior.py` for StyleGAN2 (``prior`` takes a 2 or 3 of yours,
in W rather than W+); no mirrored pictures. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.errors import InputError
from ..bench.core.leaks import Leak
from ..bench.core.nets.latent_noise import in_rows
from ..bench.core.nets.vae import limited
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.seeding import presentation_ids
from ..bench.core.surfaces import Fidelity, Surface
from ..bench.core.threat import RecognizerAccess, ThreatModel
from ..bench.zoo.prior import FacePrior, PriorSettings, UsesPrior, face_prior, samples
from .base import Attack


@dataclass(frozen=True)
class LatentInversionSettings(PriorSettings):
    """Budget of the search."""

    starts: int = 4  # K; paper of the sheet: 8
    tried: int = 256  # samples of the prior that the starts are the best of
    steps: int = 100  # gradient steps per start
    lr: float = 0.05  # Adam, on latents
    weight_prior: float = 1e-3  # of mean w^2


@register_attack("latent-inversion")
class LatentInversion(UsesPrior, Attack):
    """Embedding -> latent by gradients of the attacked recogniser -> picture."""

    threat = ThreatModel(recognizer=RecognizerAccess.WHITE_BOX)
    surfaces = frozenset({Surface.TEMPLATE})
    fidelity = Fidelity.SIMPLIFIED
    paper = "FRTA / ALSUV, ECCV 2024 (arXiv 2407.02403)"
    Settings = LatentInversionSettings
    settings: LatentInversionSettings
    prior: FacePrior
    batch = 16

    def _fit(self, context: AttackContext) -> None:
        s = self.settings
        if not 1 <= s.starts <= s.tried or s.steps < 2:
            raise InputError(
                f"latent-inversion: 1 <= starts <= tried and steps >= 2 must hold, got {s.starts}, {s.tried} and "
                f"{s.steps}."
            )
        object.__setattr__(self, "prior", face_prior(context, s))
        first = samples(self.prior, context.rng.child("starts"), torch.zeros(1, dtype=torch.int64), s.tried)[0]
        self.pool = first  # (among, dim), the same for all victims
        self.pool_embeddings = in_rows(lambda w: context.target.recognizer(self.prior(limited(w))), first)

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        wanted = self._as_embedding(leak, self.pool_embeddings.shape[1])
        starts = (wanted @ self.pool_embeddings.T).topk(self.settings.starts).indices  # (N, K)
        found = [self._descend(self.pool[start], one, context) for start, one in zip(starts, wanted, strict=True)]
        w = torch.stack([self._choose(w, one, context) for w, one in zip(found, wanted, strict=True)])
        return Recovery(in_rows(lambda rows: self.prior(limited(rows)), w))

    def _descend(self, start: Tensor, wanted: Tensor, context: AttackContext) -> Tensor:
        """(K, dim) starts of one victim -> (K, dim) means of the second halves of their trajectories."""
        recognizer, s = context.target.recognizer, self.settings
        w = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([w], s.lr)
        total, counted = torch.zeros_like(start), 0
        with torch.enable_grad():
            for step in range(s.steps):
                match = 1 - F.cosine_similarity(recognizer(self.prior(limited(w))), wanted[None], dim=1)
                (w.grad,) = torch.autograd.grad((match + s.weight_prior * w.square().mean(1)).sum(), w)
                optimizer.step()
                if step >= s.steps // 2:
                    total, counted = total + w.detach(), counted + 1
        return total / counted

    @torch.no_grad()
    def _choose(self, w: Tensor, wanted: Tensor, context: AttackContext) -> Tensor:
        """(K, dim) -> (dim,): the candidate that the adversary's own recogniser finds most like their mean."""
        images = self.prior(limited(w))
        if context.surrogate is None:
            z = context.target.recognizer(images)
            return w[int((z @ wanted).argmax())]
        z = context.surrogate(images)
        return w[int((z @ z.mean(0)).argmax())]

    pool: Tensor
    pool_embeddings: Tensor


@dataclass(frozen=True)
class ZerothOrderSettings(PriorSettings):
    """Budget: tried + iterations (directions + 1) queries per victim."""

    tried: int = 200  # samples asked about first; QE-BBFR: 2,000, Map2V: 500
    best: int = 5  # whose mean latent begins
    iterations: int = 60  # papers: 400
    directions: int = 4  # n; QE-BBFR: 4, Map2V: 16
    radius: float = 0.1  # mu
    lr: float = 0.1  # Adam; falls to a tenth at the last quarter


@register_attack("zeroth-order")
class ZerothOrder(UsesPrior, Attack):
    """Queries -> latent by estimated gradients -> picture."""

    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)
    surfaces = frozenset({Surface.TEMPLATE})
    uses_pairs = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "QE-BBFR, ICIP 2023; Map2V, CVPR 2024"
    paper_value = "ASR at FAR 0.01: IRSE50 77.9 %, MinusFace 20.2 % (Map2V, 7,300 queries)"
    paper_source = "as quoted by FEM, arXiv 2602.13168"
    Settings = ZerothOrderSettings
    settings: ZerothOrderSettings
    prior: FacePrior
    batch = 16

    def _fit(self, context: AttackContext) -> None:
        s = self.settings
        self._need(plane=False)
        if min(s.tried, s.best, s.directions) < 1 or s.best > s.tried or s.iterations < 0 or s.radius <= 0:
            raise InputError(
                "zeroth-order: tried >= best >= 1, directions >= 1, iterations >= 0 and radius > 0 must hold, got "
                f"{s.tried}, {s.best}, {s.directions}, {s.iterations} and {s.radius}."
            )
        object.__setattr__(self, "prior", face_prior(context, s))

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        s, wanted = self.settings, self.inputs(leak)
        rng = context.rng.child("zeroth-order")
        w = self._begin(wanted, samples(self.prior, rng, ids, s.tried), index, context).requires_grad_()
        optimizer = torch.optim.Adam([w], s.lr, weight_decay=5e-4)
        for step in range(s.iterations):
            optimizer.param_groups[0]["lr"] = s.lr * (0.1 if step >= 0.75 * s.iterations else 1.0)
            u = F.normalize(rng.normal(presentation_ids(ids, 1 + step), (s.directions, self.prior.dim)), dim=2).to(w)
            near = torch.cat([w[:, None], w[:, None] + s.radius * u], 1)  # (N, n + 1, dim)
            loss = self._loss(near, wanted, index, context)
            slope = (loss[:, 1:] - loss[:, :1]) / s.radius
            w.grad = self.prior.dim / s.directions * (slope[..., None] * u).sum(1)
            optimizer.step()
        return Recovery(in_rows(lambda rows: self.prior(limited(rows)), w.detach()))

    def _begin(self, wanted: Tensor, first: Tensor, index: Tensor, context: AttackContext) -> Tensor:
        """(N, dim) the mean of the best samples of each victim."""
        loss = self._loss(first, wanted, index, context)
        best = loss.topk(self.settings.best, largest=False).indices
        return first.gather(1, best[..., None].expand(-1, -1, first.shape[2])).mean(1)

    def _loss(self, w: Tensor, wanted: Tensor, index: Tensor, context: AttackContext) -> Tensor:
        """(N, k, dim) latents -> (N, k) 1 - cosine of what their pictures leak with what leaked. Counted."""
        images = in_rows(lambda rows: self.prior(limited(rows)), w.flatten(0, 1))
        found = self.inputs(context.target.query(images, index.repeat_interleave(w.shape[1])))
        return 1 - F.cosine_similarity(found, wanted.repeat_interleave(w.shape[1], 0), dim=1).reshape(w.shape[:2])
