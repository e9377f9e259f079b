"""NbNet: neighbourly deconvolution, the historical standard of black-box template inversion.

Mai, Cao, Yuen, Jain, "On the Reconstruction of Face Images from Deep Face Templates", TPAMI 2019 (arXiv 1703.00832),
variant B. Stage 1 learns pixels, mean |y - x|; stage 2 goes on with a perceptual loss alone, the mean squared distance
of the feature maps of a fixed network. Published: TAR at FAR 0.1 % on LFW 95.20 % type-I, 58.05 % type-II, trained on
endless pictures of a DCGAN.
Differs from the paper: pictures of the public split, not of a generator; in stage 2 the maps are those of a small
network distilled from the black box's answers (``decoder.py``), where the paper takes VGG-19's relu3_2, and their
distance is divided by their mean square; sizes for 64 pixels (the paper's for 160 are ``start = 5`` with its widths and
layers); each stage has a one-cycle schedule of its own; the network's picture is added to that of ridge regression
(``begin = "mean"``: to the mean face, which is the paper's but for a constant), and the tanh is left out.
Fidelity: simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.errors import InputError
from ..bench.core.nets.begun import Begun
from ..bench.core.nets.nbnet import NbNet as Network
from ..bench.core.registry import register_attack
from .decoder import Decoder, InversionSettings
from .inversion import staged


@dataclass(frozen=True)
class NbNetSettings(InversionSettings):
    """Size and budget; the defaults are the small form for 64x64 on a CPU."""

    widths: tuple[int, ...] = (96, 48, 24, 12, 8)  # channels at each side; paper: 256, 128, 64, 32, 16, 8
    layers: tuple[int, ...] = (8, 4, 2, 1, 1)  # in the block at each side; paper: 32, 16, 8, 4, 2, 1
    growth: int = 6  # channels a layer adds; paper: 8
    steps: int = 1000  # optimiser steps, both stages; paper: 500,000
    perceptual_from: float = 0.8  # share of the steps after which stage 2 begins; paper: the last fifth
    lr: float = 2e-3  # peak; paper: 2e-4, constant but for x 0.94 every 5,000 steps


@register_attack("nbnet")
class NbNet(Decoder):
    """Template -> picture by densely connected deconvolutions, pixels first, then features."""

    paper = "Mai et al., TPAMI 2019"
    paper_value = "TAR at FAR 0.1 % on LFW: type-I 95.20 %, type-II 58.05 %"
    paper_source = "NbNet, abstract"
    Settings = NbNetSettings
    settings: NbNetSettings

    def _build(self, context: AttackContext) -> None:
        self._need(plane=False)
        s, side = self.settings, context.resolution
        if len(s.widths) != len(s.layers) or side % (1 << (len(s.widths) - 1)):
            raise InputError(
                f"nbnet: widths and layers must be equally many, and {side} pixels divisible by 2^(their number - 1); "
                f"got {s.widths} and {s.layers}."
            )
        dim, first = self.standardize.shape[0], side >> (len(s.widths) - 1)
        self.net = Begun(dim, side, Network(dim, first, s.widths, s.layers, s.growth))

    def _fit(self, context: AttackContext) -> None:
        student, s = self.student(context), self.settings  # its maps stand in for VGG's

        def maps(x: Tensor) -> Tensor:
            return student.body[:2](student.stem(2 * x - 1))  # type: ignore[no-any-return]

        def pixels(y: Tensor, x: Tensor, index: Tensor) -> Tensor:
            return (y - x).abs().mean()

        def perceptual(y: Tensor, x: Tensor, index: Tensor) -> Tensor:
            with torch.no_grad():
                wanted = maps(x[: s.feature_batch])
            apart = (maps(y[: s.feature_batch].float()) - wanted).square().mean()
            return apart / wanted.square().mean()

        self.log = self._in_stages(staged(s.steps, s.perceptual_from, pixels, perceptual), context)
