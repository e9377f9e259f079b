"""Denoise, then invert: a network brings the protected template back to the clean one, a decoder of clean ones draws.

The adaptive attack on template defences that keep the template close to the embedding, AdvFace above all: the decoder
never meets the protection, so noise that was aimed at decoders has nothing to aim at. Mapping protected embeddings into
another space with an MLP before a generator is FEM ("KAN See Your Face", arXiv 2411.18165; AAAI 2026).
Two trainings on the adversary's public faces: 1 - mean cos(g(t), f(x)) for the denoiser g on protected templates t and
the recogniser's own answers f(x); then `decoder` on f(x) (its losses and settings, `attacks/decoder.py`).
At K0 the pairs are clean and g is the identity: the attack is then `decoder`.

Differs from the paper: the denoiser starts from the best linear map (ridge regression), which alone undoes an
additive noise as far as second moments can, and stays there if the network does worse on held-out people: an attacker
with few pairs must not do worse than one who leaves the template as it is; cosine rather than squared distance; our
decoder rather than a pretrained face generator; ``presentations`` draws of each public template, made once, where the
defence redraws. Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.leaks import Leak, leak_to
from ..bench.core.linear import ridge
from ..bench.core.nets.mlp import ResidualMlp
from ..bench.core.nets.standardize import Standardize
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.training import Batch, TrainLog, TrainSettings, train
from .decoder import Decoder, DecoderSettings

_LOSSES = "losses"  # of the shared decoder, kept beside its weights, behind the share that it kept of them
_RIDGES = (1e-3, 1e-1, 10.0)  # penalties of the linear map, relative to the variance of a coordinate


@dataclass(frozen=True)
class DenoiserDecoderSettings(DecoderSettings):
    """The denoiser in front of the decoder."""

    vector_steps: int = 1500  # optimiser steps of the denoiser
    vector_batch: int = 256  # pairs per step; FEM: 128
    vector_lr: float = 1e-3  # peak learning rate; FEM: 1e-2 with batch norm
    hidden: int = 512  # units of the denoiser; FEM: three layers
    presentations: int = 4  # draws of each public template that the denoiser learns from


@register_attack("denoiser-decoder")
class DenoiserDecoder(Decoder):
    """Protected template -> clean embedding -> picture, trained on pairs."""

    paper = "after FEM, arXiv 2411.18165"
    Settings = DenoiserDecoderSettings
    settings: DenoiserDecoderSettings
    denoiser: ResidualMlp
    clean: Standardize

    def _build(self, context: AttackContext) -> None:
        self._need(plane=False)
        z = context.target.public_embeddings()  # (n, D)
        self.clean = Standardize(z[:2])
        self.net = self.network(z.shape[1], context)
        self.denoiser = ResidualMlp(self.standardize.shape[0], z.shape[1], self.settings.hidden)

    def _fit(self, context: AttackContext) -> None:
        n = context.target.pair_budget
        z = context.target.public_embeddings()[:n].to(context.device)
        self.clean.fit(z)
        self._fit_denoiser(context, self._leaks(context, n), z)
        self.denoiser.requires_grad_(False)
        self._fit_clean(context, n)

    def _fit_clean(self, context: AttackContext, n: int) -> None:
        """The decoder reads clean embeddings whatever the defence: learnt once for all of them."""

        def learn() -> dict[str, Tensor]:
            super(DenoiserDecoder, self)._fit(context)
            assert self.log is not None
            return {**self.net.state_dict(), _LOSSES: torch.tensor([self.log.kept, *self.log.losses])}

        spec = {"settings": asdict(self.settings), "pairs": n, "rng": context.rng.labels}
        kept = dict(context.keep("decoder of clean embeddings", spec, learn))
        share, *losses = kept.pop(_LOSSES).tolist()
        self.log = TrainLog(losses, kept=share)
        self.net.load_state_dict(kept)

    def _fit_denoiser(self, context: AttackContext, leaks: list[Tensor], z: Tensor) -> None:
        s = self.settings
        labels = context.public.labels[: len(z)].to(z.device)
        kept = (labels <= 0.9 * labels.max()).nonzero()[:, 0]
        held = (labels > 0.9 * labels.max()).nonzero()[:, 0]  # these people choose penalty and network

        def likeness(rows: Tensor, draw: int) -> Tensor:
            return F.cosine_similarity(self.denoiser(leaks[draw % len(leaks)][rows]), z[rows]).mean()

        def loss(batch: Batch) -> Tensor:
            return 1 - likeness(kept[batch.index.to(z.device)], batch.presentation)

        def candidate() -> tuple[float, dict[str, Tensor]]:
            state = {name: value.clone() for name, value in self.denoiser.state_dict().items()}
            return float(likeness(held, 0).detach()), state

        t, wanted = torch.cat([t[kept] for t in leaks]), z[kept].repeat(len(leaks), 1)
        linear = []
        for penalty in _RIDGES:
            self._aim(t, wanted, penalty)
            linear.append(candidate())
        best = max(linear, key=lambda found: found[0])
        self.denoiser.load_state_dict(best[1])
        budget = TrainSettings(s.vector_steps, s.vector_batch, s.vector_lr)
        rng, title = context.rng.child("denoiser"), f"{self.name}: denoiser"
        train(self.denoiser, loss, len(kept), budget, rng=rng, progress=context.progress, title=title)
        if candidate()[0] < best[0]:
            self.denoiser.load_state_dict(best[1])

    def denoised(self, leak: Leak) -> Tensor:
        """(N, D) unit norm: what the adversary takes the clean embeddings to be."""
        return F.normalize(self.denoiser(self.inputs(leak)), dim=1)

    def _leaks(self, context: AttackContext, n: int) -> list[Tensor]:
        """Standardised templates of the public faces, one tensor per presentation; one where they do not change."""
        found: list[Tensor] = []
        for draw in range(self.settings.presentations):
            parts = [leak_to(context.target.pairs(part, draw), context.device) for part in torch.arange(n).split(512)]
            leak = torch.cat([self.inputs(part) for part in parts])
            if found and torch.equal(found[0], leak):
                break
            found.append(leak)
        return found

    @torch.no_grad()
    def _aim(self, t: Tensor, z: Tensor, penalty: float) -> None:
        """Begin as the ridge regression of clean on protected; a large penalty leaves the template as it is."""
        x, spread = t.double(), self.standardize.scale.double()
        k, d = x.shape[1], z.shape[1]
        as_is = torch.zeros(k, d, dtype=x.dtype, device=x.device)
        offset = torch.zeros(d, dtype=x.dtype, device=x.device)
        if k == d:  # undo the standardisation
            as_is, offset = torch.diag(torch.where(spread > 0, 1 / spread, 0.0)), self.standardize.mean.double()
        weight, rest = ridge(x, z.double() - (x @ as_is + offset), penalty)
        self.denoiser.skip.weight.copy_((as_is + weight).T.float())
        self.denoiser.skip.bias.copy_((offset + rest).float())

    def _read(self, index: Tensor, presentation: int, context: AttackContext) -> Tensor:
        z = context.target.public_embeddings()[index]
        return self.clean(z.to(context.device))  # type: ignore[no-any-return]

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        return Recovery(self.net(self.clean(self.denoised(leak))))
