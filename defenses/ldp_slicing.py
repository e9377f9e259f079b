"""LDP-Slicing: the picture without its coarse half, cut into bit planes, each bit told with a lie now and then.

"LDP-Slicing", CVPR 2026. Needs no training on the client: one level of the Haar transform, its mean band (LL) set to
zero, transformed back; YCbCr in 8 bits; each of the 24 bits of a pixel is kept with probability e^eps / (e^eps + 1) and
flipped otherwise (randomised response, eps-locally differentially private per bit), and the picture is put together
again. The budget of a pixel is split so that bits that matter get more:

    eps_cb = eps_tot sqrt(W_cb) / sum sqrt(W),   W_cb = w_c 2^(b-1),   w_Y = 4, w_Cb = w_Cr = 1,   b = 1..8.

All bits are drawn afresh at every presentation; nothing else is secret. The server learns from the noisy pictures.
The paper's text was not at hand, only notes on it with its tables: this is a re-implementation, simplified. Decided
here: without LL a plane has mean zero, so it is put around mid-grey (128) and clipped to 0..255 before it is cut into
bits, Y as well as Cb and Cr; Haar acts on the planes, which is the same as on RGB, both being linear; the picture sent
is clipped to [0, 1] and rounded to 8 bits, which costs no budget; server of `defenses/wire.py`.
``front = inverse`` is ours: the server counts what each noisy colour says of the detail (``detail_reader.py``).
eps_tot is the budget of one pixel. A picture has side^2 of them, so that its own epsilon is eps_tot side^2.
The paper's own figures, eps_tot 20: LFW 99.75 % (undefended 99.77), CPLFW 91.08 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.levels import rounded
from ..bench.core.nets.bdct import from_ycbcr, to_ycbcr
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Secret
from .detail_reader import DetailReader
from .wire import WireDefense
from .wire_settings import WireSettings

BITS = 8
GREY = 128  # where a plane without its mean is put
WEIGHTS = (4.0, 1.0, 1.0)  # w_c of Y, Cb, Cr
COUNTED = 8000  # noisy pictures from which an inverse learns what colours say


@dataclass(frozen=True)
class LDPSlicingSettings(WireSettings):
    """The budget."""

    epsilon_total: float = 20.0  # eps_tot of one pixel, over its 24 bits; paper: 20


@register_defense("ldp-slicing")
class LDPSlicing(WireDefense):
    """Randomised response on the bit planes of a picture without its mean band."""

    secrets = frozenset({Secret.SAMPLE})
    channels = 3
    invertible = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "LDP-Slicing, CVPR 2026"
    paper_value = "LFW 99.75 % at epsilon 20 per pixel"
    paper_source = "LDP-Slicing, main table, after third-party notes"
    claims = "epsilon-local differential privacy of every pixel sent, without training the client."
    Settings = LDPSlicingSettings
    settings: LDPSlicingSettings

    def _build_client(self, context: FitContext) -> None:
        if not 0 < self.settings.epsilon_total <= 1000:
            raise InputError(f"ldp-slicing: epsilon_total must lie in (0, 1000], got {self.settings.epsilon_total}.")

    def encode(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, side, side) -> the noisy picture, (N, 3, side, side) in [0, 1], 8 bits a value."""
        keep = torch.sigmoid(split_budget(self.settings.epsilon_total)).to(images.device)  # e^eps / (e^eps + 1)
        shape = (images.shape[1], BITS, *images.shape[2:])
        lies = secret.sample.child("ldp-slicing").uniform(secret.ids.to(images.device), shape) >= keep[:, :, None, None]
        return rounded(lambda image, lie: from_ycbcr(reassemble(slices(detail(image)) ^ lie) - GREY), images, lies)

    def _inverse(self, context: FitContext) -> DetailReader:
        return DetailReader(self.settings.side)

    def _fit_inverse(self, context: FitContext) -> None:
        super()._fit_inverse(context)
        self.server.inverse.learn(self._noisy(context))  # type: ignore[operator, union-attr]

    def _noisy(self, context: FitContext) -> Iterator[tuple[Tensor, Tensor]]:
        """Train pictures as they travel, and their detail around 0."""
        faces, source = self.training_faces(context), self.secrets_of(context)
        for presentation in range(-(-COUNTED // len(faces))):
            for part in context.some("colours", COUNTED).split(64):
                images = faces.resized(part, self.settings.side).to(context.device)
                draw = self.training_draw(faces, part, -1 - presentation, source)
                yield self.encode(images, draw), (detail(images) - GREY).float()

    def properties(self) -> dict[str, float | str]:
        """``epsilon_pixel``, and ``epsilon`` of a whole picture."""
        total = self.settings.epsilon_total
        return super().properties() | {"epsilon_pixel": total, "epsilon": total * self.settings.side**2}


def split_budget(total: float) -> Tensor:
    """(3, 8) float64 eps_cb, least significant bit first; they sum to ``total``."""
    weight = torch.tensor(WEIGHTS, dtype=torch.float64)[:, None] * 2.0 ** torch.arange(BITS, dtype=torch.float64)
    return total * weight.sqrt() / weight.sqrt().sum()


def detail(images: Tensor) -> Tensor:
    """(N, 3, H, W) [0, 1], H and W even -> YCbCr without the Haar mean band, around 128, int64 in 0..255.

    Haar's LL is the mean of each 2x2 block (twice it, in the orthonormal form): without it a block keeps its
    differences from the mean.
    """
    planes = to_ycbcr(images)
    mean = F.interpolate(F.avg_pool2d(planes, 2), scale_factor=2.0, mode="nearest")
    return (planes - mean + GREY).round().clamp(0, 255).long()


def slices(values: Tensor) -> Tensor:
    """(N, 3, H, W) int64 -> (N, 3, 8, H, W) bool, least significant bit first."""
    place = torch.arange(BITS, device=values.device)[:, None, None]
    return (values[:, :, None] >> place & 1).bool()


def reassemble(bits: Tensor) -> Tensor:
    """The inverse of ``slices``, float32."""
    worth = 2.0 ** torch.arange(BITS, device=bits.device)
    return (bits * worth[:, None, None]).sum(2)
