"""Hill climbing by queries alone: no training, no gradient, no leak of anybody else.

eigenface-climb: "Darker than Black-Box" (arXiv 2106.14290). Only comparison scores are asked for. Candidates are the
current face plus a random combination of eigenfaces; the best of each round is kept if it is better.
gaussian-blobs: Razzhigaev et al., arXiv 2007.13635. Candidates are the current picture plus one grey, mirrored Gaussian
blob each, coarse ones first and finer ones as the likeness grows; the score is the cosine of what the candidate would
leak and what leaked. Neither faces nor a generator are needed.
Every picture that is asked about is counted, restarts and all. The published budgets are 128,000 scores and 240,000
embeddings per victim; what was spent stands on the row (``n_queries``).
Differs from the papers: eigenfaces are principal components and not a trained linear autoencoder; one climb, and the
step shrinks instead of restarts; the blobs' likeness is of standardised leaks, without the term of the norm. Fidelity:
simplified.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.errors import InputError
from ..bench.core.leaks import Leak
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.seeding import Rng, presentation_ids
from ..bench.core.surfaces import Fidelity, Surface
from ..bench.core.threat import RecognizerAccess, ThreatModel
from .base import Attack


@dataclass(frozen=True)
class ClimbSettings:
    """Budget: (rounds x candidates) queries per victim."""

    rounds: int = 60
    candidates: int = 32  # per round; papers: 64 and 80


class Climb(Attack):
    """Rounds of candidates; the best of a round is kept where it is better."""

    surfaces = frozenset({Surface.TEMPLATE})
    fidelity = Fidelity.SIMPLIFIED
    batch = 16  # victims at a time, each with its candidates

    @abstractmethod
    def _start(self, count: int, context: AttackContext) -> Tensor:
        """(N, ...) what every climb begins with."""

    @abstractmethod
    def _candidates(self, state: Tensor, best: Tensor, progress: float, rng: Rng, ids: Tensor) -> Tensor:
        """(N, ...) states with the likeness (N,) reached -> (N, k, ...) candidates."""

    @abstractmethod
    def _pictures(self, state: Tensor) -> Tensor:
        """(M, ...) states -> (M, 3, s, s) in [0, 1]."""

    @abstractmethod
    def _likeness(self, images: Tensor, leak: Leak, victims: Tensor, context: AttackContext) -> Tensor:
        """(N k,) how alike pictures, k in a row per victim, are to the ``victims`` (N k,) whose leaks (N, ...) are."""

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        s, n = self.settings, len(index)
        state = self._start(n, context).to(context.device)
        best = torch.full((n,), -torch.inf, device=context.device)
        rows = torch.arange(n, device=context.device)
        victims = index.repeat_interleave(s.candidates)
        for turn in range(s.rounds):
            shown = presentation_ids(ids, turn)
            tried = self._candidates(state, best, turn / s.rounds, context.rng.child("climb"), shown)  # (N, k, ...)
            value = self._likeness(self._pictures(tried.flatten(0, 1)), leak, victims, context).reshape(n, -1)
            reached, which = value.to(best).max(1)
            better = reached > best
            shape = (-1,) + (1,) * (state.ndim - 1)
            state = torch.where(better.reshape(shape), tried[rows, which], state)
            best = torch.where(better, reached, best)
        return Recovery(self._pictures(state))

    def _check(self) -> None:
        s = self.settings
        if s.rounds < 1 or s.candidates < 1:
            raise InputError(f"{self.name}: rounds and candidates must be positive, got {s.rounds} and {s.candidates}.")


@dataclass(frozen=True)
class EigenfaceClimbSettings(ClimbSettings):
    """The space that is searched, and the steps in it."""

    components: int = 96  # eigenfaces; paper: 1,024 trained ones
    step: float = 0.4  # of the first round, standard deviations of each component
    last_step: float = 0.08  # of the last round


@register_attack("eigenface-climb")
class EigenfaceClimb(Climb):
    """Scores only: the face is a combination of eigenfaces of the public faces."""

    threat = ThreatModel(recognizer=RecognizerAccess.SCORES)
    paper = "Darker than Black-Box, arXiv 2106.14290"
    Settings = EigenfaceClimbSettings
    settings: EigenfaceClimbSettings

    def _fit(self, context: AttackContext) -> None:
        self._check()
        count = min(2048, len(context.public))
        x = context.public.resized(torch.arange(count), context.resolution).flatten(1)
        self.mean = x.mean(0)
        with context.rng.child("eigenfaces").seeds_torch():
            _, values, basis = torch.svd_lowrank(x - self.mean, q=min(self.settings.components, count - 1), niter=3)
        self.basis = (basis * values / count**0.5).T.to(context.device)  # (k, 3 s s), each of its standard deviation
        self.mean, self.side = self.mean.to(context.device), context.resolution

    def _start(self, count: int, context: AttackContext) -> Tensor:
        return torch.zeros(count, len(self.basis))

    def _candidates(self, state: Tensor, best: Tensor, progress: float, rng: Rng, ids: Tensor) -> Tensor:
        s = self.settings
        step = s.step * (s.last_step / s.step) ** progress
        moves = rng.normal(ids, (s.candidates, state.shape[1])).to(state)
        return state[:, None] + step * moves

    def _pictures(self, state: Tensor) -> Tensor:
        return (self.mean + state @ self.basis).reshape(-1, 3, self.side, self.side).clamp(0, 1)

    def _likeness(self, images: Tensor, leak: Leak, victims: Tensor, context: AttackContext) -> Tensor:
        return context.target.scores(images, victims)

    mean: Tensor
    basis: Tensor


@dataclass(frozen=True)
class GaussianBlobsSettings(ClimbSettings):
    """The blobs."""

    rounds: int = 100  # paper: 3,000
    candidates: int = 80
    strength: float = 0.4  # largest grey value added; paper: 0.01


@register_attack("gaussian-blobs")
class GaussianBlobs(Climb):
    """Embeddings of own pictures only: neither faces nor a generator."""

    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)
    uses_pairs = True
    paper = "Razzhigaev et al., arXiv 2007.13635"
    paper_value = "240,000 queries per face"
    paper_source = "its released notebook"
    Settings = GaussianBlobsSettings
    settings: GaussianBlobsSettings

    def _fit(self, context: AttackContext) -> None:
        self._check()
        self._need(plane=False)
        self.side = context.resolution

    def _start(self, count: int, context: AttackContext) -> Tensor:
        return torch.full((count, self.side, self.side), 0.5)

    def _candidates(self, state: Tensor, best: Tensor, progress: float, rng: Rng, ids: Tensor) -> Tensor:
        u = rng.uniform(ids, (4, self.settings.candidates)).to(state)  # (N, 4, k): strength, width, place
        cosine = best.clamp(0, 1)[:, None]
        # Widths of the released code, in pixels of 112: wide while nothing is alike, down to 1.6.
        width = 0.5 * (10 + 150 * u[:, 1] + (300 - 550 * cosine**0.3).clamp(min=0)).sqrt() * self.side / 112
        margin = 20 / 112  # the face never reaches the sides
        across = margin + (1 - 2 * margin) * u[:, 2]
        down = 5 / 112 + (1 - 5 / 112) * u[:, 3]
        steps = (torch.arange(self.side, device=state.device) + 0.5) / self.side
        bell = lambda at: torch.exp(-0.5 * ((steps - at[..., None]) * self.side / width[..., None]).square())  # noqa: E731
        both = bell(across) + bell(1 - across)  # mirrored left and right
        blob = bell(down)[..., :, None] * both[..., None, :]  # (N, k, s, s)
        strength = 2 * self.settings.strength * (u[:, 0] - 0.5)
        return (state[:, None] + strength[..., None, None] * blob).clamp(0, 1)

    def _pictures(self, state: Tensor) -> Tensor:
        return state[:, None].expand(-1, 3, -1, -1)

    def _likeness(self, images: Tensor, leak: Leak, victims: Tensor, context: AttackContext) -> Tensor:
        wanted = self.inputs(leak)
        found = self.inputs(context.target.query(images, victims))
        return F.cosine_similarity(found, wanted.repeat_interleave(len(found) // len(wanted), 0), dim=1)
