"""The small latent diffusion model that defences and attacks share: trained once per split, on its own faces, and kept.

The papers take Stable Diffusion; this model is small and trained in minutes, and files that use it say so in their
header. First the autoencoder is trained, then, on its codes, the denoiser together with what makes conditions of a
recogniser's layers. A share of the pictures is shown without a condition, so that the denoiser can do without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.context import MakerContext, Weights, as_kept
from ..core.errors import InputError
from ..core.faces import FaceSet
from ..core.nets.diffusion import TIMES, Predict
from ..core.nets.latent_diffusion import LatentDiffusion, coded_side
from ..core.nets.multiscale import Stages
from ..core.progress import Progress
from ..core.seeding import Rng, presentation_ids
from ..core.training import Batch, TrainSettings, train

_PENALTY = 1e-3  # on the codes while the autoencoder learns
_AIMED = 512  # pictures that its first weights are made for


@dataclass(frozen=True)
class LatentDiffusionSettings:
    """Sizes and budgets; equal settings share one. The defaults are the small form for a CPU."""

    coder_channels: int = 12  # of a code at an eighth of the side; Stable Diffusion: 4
    coder_width: int = 16  # channels of the autoencoder at half the side
    coder_jitter: float = 0.1  # standard deviation of the noise that codes stand while the autoencoder learns
    coder_steps: int = 500  # optimiser steps
    coder_batch: int = 16  # pictures per step
    coder_lr: float = 2e-3  # peak learning rate
    denoiser_width: int = 32  # channels at the finest scale, at least those of a code; Stable Diffusion: 320
    denoiser_levels: int = 1  # halvings; Stable Diffusion: 3
    denoiser_steps: int = 1500  # optimiser steps
    denoiser_batch: int = 32  # codes per step
    denoiser_lr: float = 1e-3  # peak learning rate
    denoiser_ema: float = 0.995  # decay of the averaged weights, which draw
    predict: Predict = "noise"  # what the denoiser says; Stable Diffusion 1: noise
    condition_dim: int = 64  # length of a condition; Stable Diffusion 1: 77 x 768
    dropped: float = 0.15  # share of codes shown without their condition (0, 1)


def latent_diffusion(
    faces: FaceSet, context: MakerContext, settings: LatentDiffusionSettings, stages: Stages | None = None
) -> LatentDiffusion:
    """The model of ``faces``, frozen.

    Args:
        faces: what it learns from.
        context: whoever makes it; it draws at the multiple of 8 nearest to the context's resolution.
        settings: a plug-in's own settings may be handed over whole.
        stages: of the recogniser that conditions come from; None: there are none.

    Raises:
        InputError: a size or a share is out of range.
    """
    s, keep, rng = settings, context.keep, Rng(context.rng.seed, "latent diffusion")
    if not 0 < s.dropped < 1 or min(s.coder_jitter, s.denoiser_levels) < 0 or min(s.coder_channels, s.coder_width) < 1:
        raise InputError(
            "latent diffusion: dropped must lie in (0, 1), coder_jitter and denoiser_levels not be negative, and "
            f"coder_channels and coder_width be 1 or more, got {s.dropped}, {s.coder_jitter}, {s.denoiser_levels}, "
            f"{s.coder_channels} and {s.coder_width}."
        )
    with rng.child("weights").seeds_torch():
        model = LatentDiffusion(
            coded_side(context.resolution), s.coder_channels, s.coder_width, s.denoiser_width, s.denoiser_levels,
            s.condition_dim, s.predict, stages.widths if stages else (),
        ).to(context.device)  # fmt: skip
    school = _School(model, faces, s, rng, context.progress, context.device)
    spec = {name: getattr(s, name) for name in LatentDiffusionSettings.__dataclass_fields__}
    of_coder = {name: value for name, value in spec.items() if name.startswith("coder")}
    as_kept(model.coder, keep("latent autoencoder", of_coder, school.coder))
    steered = nn.ModuleList([model.denoiser, *([model.conditions] if model.conditions else [])])
    recognizer = stages.digest() if stages else ""
    made = keep("latent denoiser", spec | {"recognizer": recognizer}, lambda: school.denoiser(steered, stages))
    as_kept(steered, made)
    return model.eval()


@dataclass
class _School:
    """How a model is trained, part by part."""

    model: LatentDiffusion
    faces: FaceSet
    settings: LatentDiffusionSettings
    rng: Rng
    progress: Progress
    device: torch.device

    def coder(self) -> Weights:
        """The autoencoder's weights; half of the pictures it sees are mirrored."""
        s, coder = self.settings, self.model.coder

        def loss(batch: Batch) -> Tensor:
            ids = presentation_ids(self.faces.ids[batch.index], batch.presentation)
            noise = s.coder_jitter * self.rng.child("jitter").normal(ids, self.model.shape).to(self.device)
            x = self.faces.resized(batch.index, self.model.side)
            x = torch.where(self._mirrored(ids)[:, None, None, None], x.flip(-1), x).to(self.device)
            return coder.loss(x, noise, _PENALTY)

        some = torch.randperm(len(self.faces), generator=self.rng.child("aim").torch())[:_AIMED]
        coder.aim(self.faces.resized(some, self.model.side).to(self.device))
        budget = TrainSettings(s.coder_steps, s.coder_batch, s.coder_lr)
        self._train(coder, loss, budget, "latent autoencoder")
        coder.standardize.fit(self._of_all(lambda x: [coder.code(x)])[0].flatten(0, 1))
        return coder.state_dict()

    def denoiser(self, steered: nn.ModuleList, stages: Stages | None) -> Weights:
        """Weights of the denoiser and of its conditions c: mean |d(z_t, t, c) - noise|^2, or velocity for noise."""
        s, model, process = self.settings, self.model, self.model.process(1)
        codes = self._of_all(lambda x: [model.coder.encode(x)])[0]
        said = self._of_all(stages) if stages else []
        if model.conditions is not None:
            for standardize, x in zip(model.conditions.standardize, said, strict=True):
                standardize.fit(x.flatten(0, 1))  # type: ignore[operator]

        def loss(batch: Batch) -> Tensor:
            ids = presentation_ids(self.faces.ids[batch.index], batch.presentation)
            which = (self._mirrored(ids).long(), batch.index)
            z = codes[which].to(self.device)
            noise = self.rng.child("noise").normal(ids, model.shape).to(self.device)
            t = (self.rng.child("level").uniform(ids) * TIMES).long().to(self.device)
            shown = (self.rng.child("dropped").uniform(ids) >= s.dropped).to(self.device)
            c = model.embeddings([x[which].to(self.device) for x in said], len(z)) * shown[:, None, None]
            found = model.steered(c)(process.noised(z, noise, t), t)
            return F.mse_loss(found.float(), process.target(z, noise, t))

        budget = TrainSettings(s.denoiser_steps, s.denoiser_batch, s.denoiser_lr, ema=s.denoiser_ema)
        self._train(steered, loss, budget, "latent denoiser")
        return steered.state_dict()

    def _train(self, module: nn.Module, loss: Callable[[Batch], Tensor], budget: TrainSettings, title: str) -> None:
        n, rng = len(self.faces), self.rng.child(title)
        train(module, loss, n, budget, rng=rng, progress=self.progress, title=title)

    def _mirrored(self, ids: Tensor) -> Tensor:
        """(B,) bool: half of all presentations."""
        return self.rng.child("mirrored").uniform(ids) < 0.5

    @torch.no_grad()
    def _of_all(self, function: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
        """Each of the results of ``function`` for every picture and its mirror image, (2, n, ...)."""
        found: list[list[Tensor]] = []
        for index in torch.arange(len(self.faces)).split(128):
            x = self.faces.resized(index, self.model.side).to(self.device)
            found.append([torch.stack(pair).cpu() for pair in zip(function(x), function(x.flip(-1)), strict=True)])
        return [torch.cat(parts, dim=1) for parts in zip(*found, strict=True)]
