"""Identity extraction without knowledge: the adversary has never seen the defence at work, not even one leak of it.

FaceLinkGen, arXiv 2602.02914, its adversary with (next to) no knowledge: what wire defences leave of a face is its fine
structure in some disguise, so the student is trained on a stand-in that needs no defence, public pictures minus their
blur, and is then shown the real leaks. One student serves for all defences.
Loss: 1 - mean cos(student(patterns(x - blur(x))), surrogate(x)).
A leak may have any number of channels, in any order and scale. ``patterns`` brings leaks and stand-ins to one form with
nothing but the sample itself: channels minus their blur at unit variance, their three strongest principal components
over the plane at unit variance, signed for positive skewness.
Differs from the paper: that form (its student sees pictures of three channels); no pairs at all, where the paper picks
the best epoch on 30; blur sizes and noise are ours, the paper's not known to us; the student is that of
``identity_extraction.py``. Fidelity: simplified.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext, Weights, as_kept
from ..bench.core.errors import InputError, NotApplicable
from ..bench.core.leaks import Leak
from ..bench.core.nets.adapted import Adapted
from ..bench.core.nets.standardize import DEAD, Standardize
from ..bench.core.registry import register_attack
from ..bench.core.seeding import Rng, presentation_ids
from ..bench.core.surfaces import Surface
from ..bench.core.threat import RecognizerAccess, ThreatModel
from ..bench.core.training import Batch, TrainSettings, train
from .identity_extraction import IdentityExtraction, IdentityExtractionSettings

PATTERNS = 3  # channels that the student sees


@dataclass(frozen=True)
class IdentityExtractionBlindSettings(IdentityExtractionSettings):
    """What the stand-ins look like; budgets of the student as in ``identity-extraction``."""

    blurs: tuple[int, ...] = (3, 5, 9)  # sides of the blur's squares, pixels of ``side``, odd; the middle one for leaks
    noise: float = 0.3  # most standard deviation of the noise on a stand-in of unit variance


@register_attack("identity-extraction-blind")
class IdentityExtractionBlind(IdentityExtraction):
    """Map -> embedding in the surrogate's space, by a student that learnt from pictures minus their blur."""

    threat = ThreatModel(recognizer=RecognizerAccess.SURROGATE)
    surfaces = frozenset({Surface.WIRE, Surface.IMAGE})
    trained = False  # on no leak: there is one fit for all defences, and nothing that knowledge would change
    paper_value = "matching .962 / .949 / .925 on PartialFace / FracFace / MinusFace"
    paper_source = "FaceLinkGen, near-zero knowledge"
    Settings = IdentityExtractionBlindSettings
    settings: IdentityExtractionBlindSettings

    def _fit(self, context: AttackContext) -> None:
        s = self.settings
        if context.surrogate_embeddings is None:
            raise NotApplicable(f"{self.name} needs a recogniser of the adversary's own; name a surrogate.")
        if not s.blurs or any(size < 3 or size % 2 == 0 for size in s.blurs) or s.noise < 0:
            raise InputError(
                f"{self.name}: blurs must be odd sizes from 3 and noise not negative, got {s.blurs} and {s.noise}."
            )
        rng = Rng(context.rng.seed, "identity-extraction-blind")
        self.standardize = Standardize(torch.zeros(1, PATTERNS, s.side, s.side))
        with rng.child("weights").seeds_torch():
            self._build(context)
        self.net.to(context.device)
        teacher = self._teacher(context)

        def loss(batch: Batch) -> Tensor:
            found = F.normalize(self.net(self._stand_ins(batch.index, batch.presentation, context, rng)), dim=1)
            return 1 - (found * teacher[batch.index].to(context.device)).sum(1).mean()

        def make() -> Weights:
            if isinstance(self.net, Adapted):
                some = torch.arange(min(64, len(context.public)))
                pictures = context.public.resized(some, s.side).to(context.device)
                self.net.aim(self._stand_ins(some, 0, context, rng), pictures)
            budget = TrainSettings(s.map_steps, s.batch, s.map_lr, weight_decay=s.weight_decay)
            train(self.net, loss, len(context.public), budget, rng=rng, progress=context.progress, title=self.name)
            return self.net.state_dict()

        as_kept(self.net, context.keep("blind student", dataclasses.asdict(s), make))

    @torch.no_grad()
    def _stand_ins(self, index: Tensor, presentation: int, context: AttackContext, rng: Rng) -> Tensor:
        """(B, 3, side, side): patterns of public pictures minus a blur of random size, with noise."""
        s, ids = self.settings, presentation_ids(context.public.ids[index], presentation)
        x = context.public.resized(index, s.side).to(context.device)
        choice = (rng.child("blur").uniform(ids) * len(s.blurs)).long()
        found = torch.empty(len(x), PATTERNS, s.side, s.side, device=x.device)
        for number, size in enumerate(s.blurs):
            mine = (choice == number).to(x.device)
            found[mine] = patterns(x[mine], size)
        strength = s.noise * rng.child("strength").uniform(ids, (1, 1, 1))
        return found + (strength * rng.child("noise").normal(ids, tuple(found.shape[1:]))).to(x.device)

    def inputs(self, leak: Leak) -> Tensor:
        """The leak as (N, 3, side, side) patterns.

        Raises:
            NotApplicable: it has no picture plane.
        """
        whole = Standardize(leak)  # fitted on nothing: it only stacks what the leak consists of
        if not whole.is_map:
            raise NotApplicable(f"{self.name} reads maps; this leak is a vector of {whole.shape}.")
        device = (next(iter(leak.values())) if isinstance(leak, dict) else leak).device
        stacked = whole.to(device)(leak)
        side, blurs = self.settings.side, sorted(self.settings.blurs)
        if stacked.shape[-2:] != (side, side):
            stacked = F.interpolate(stacked, (side, side), mode="bilinear", antialias=True)
        return patterns(stacked, blurs[len(blurs) // 2])


def patterns(x: Tensor, blur: int) -> Tensor:
    """What is common to the channels of a map, whatever their number, order, sign and scale.

    Args:
        x: (N, C, h, w).
        blur: side of the squares whose mean is taken off, odd.

    Returns:
        (N, 3, h, w): the strongest principal components over the plane, strongest first, each of unit variance and
        positive skewness; 0 where there are fewer.
    """
    smooth = F.avg_pool2d(F.pad(x, (blur // 2,) * 4, mode="replicate"), blur, stride=1)
    # In double precision: two components of nearly equal strength must not change places with the batch's size.
    fine = (x - smooth).flatten(2).double()  # (N, C, hw)
    fine = _unit(fine - fine.mean(2, keepdim=True))
    axes = torch.linalg.eigh(fine @ fine.mT).eigenvectors.flip(2)[:, :, :PATTERNS]  # (N, C, <= 3)
    found = _unit(axes.mT @ fine)
    found = found * torch.where(found.pow(3).sum(2, keepdim=True) < 0, -1.0, 1.0)
    found = F.pad(found, (0, 0, 0, PATTERNS - found.shape[1]))
    return found.unflatten(2, x.shape[-2:]).float()


def _unit(rows: Tensor) -> Tensor:
    """Rows of zero mean at unit variance; what is constant stays 0."""
    spread = rows.square().mean(2, keepdim=True).sqrt()
    return torch.where(spread > DEAD, rows / spread.clamp(min=DEAD), 0.0)
