"""DCTDP: Laplace noise on the frequency channels, its budget spread over the elements by what recognition needs.

Ji et al., "Privacy-Preserving Face Recognition with Learnable Privacy Budgets in Frequency Domain", ECCV 2022. The
client drops the mean (DC) of each plane, which leaves N = 189 H W coefficients x_i, and sends

    x_i + Laplace(0, 1) Delta_i / eps_i,    eps_i = softmax(rho)_i * eps_mean * N,

noise drawn afresh at every presentation. rho is learnt together with the server's recogniser, by the recognition loss
alone, at a rate of its own; rho = 0 at first, hence eps_i = eps_mean. Nothing but the noise is secret.
Delta_i, and what is released, by the setting ``sensitivity``:
  range     clamp(x_i, low_i, high_i) with the extremes over the training pictures, Delta_i = high_i - low_i;
  quantile  the same with low_i, high_i the m-th smallest and m-th largest of n training pictures, m = ceil(q n);
  one       no clamp and Delta_i = 1, as hard-coded in the released code (TFace, issues 85 and 158).
With the clamp, element i of two arbitrary faces differs by at most Delta_i, so that its release is eps_i-differentially
private, and a picture's epsilon is the sum, N eps_mean. Without the clamp an unseen face may lie outside the range and
the statement is void; with Delta_i = 1 there is none: scale 1 / eps against coefficients of hundreds hides nothing.
As released (``sensitivity = one``, ``epsilon_mean = 4``, ``shift = learned``): the noise also has a learnt mean per
element, of which the paper's proof says nothing, and the budget is eight times that of table 1.
Differs from the paper: which leaves the clamp open; rho has its own rate through the parametrisation of ``Brisk`` (one
optimiser; released code: a second Adam, for the shift too); extremes over ``sensitivity_pictures`` training faces;
server of `defenses/wire.py`. Fidelity: simplified.
The paper's own figures, eps .5: LFW 99.48 % (undefended 99.60, table 1), recovered pictures at 14.28 dB (figure 7).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.nets.bdct import CHANNELS, PER_PLANE, bdct
from ..bench.core.nets.brisk import Brisk
from ..bench.core.precision import exactly
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Secret
from .wire import WireDefense
from .wire_settings import WireSettings

AC = tuple(k for k in range(CHANNELS) if k % PER_PLANE)  # all but the mean of each plane
AT_ONCE = 1  # pictures whose noise is drawn together: beyond one the random bits leave the cache, five times slower


@dataclass(frozen=True)
class DCTDPSettings(WireSettings):
    """How much noise, and where it may go."""

    epsilon_mean: float = 0.5  # budget per element; paper: 0.5 in table 1, up to 4 in figure 8; released code: 4
    sensitivity: Literal["range", "quantile", "one"] = "range"  # Delta_i, see above; paper: range; released code: one
    quantile: float = 0.01  # q, share clipped at either end; only for sensitivity = quantile
    sensitivity_pictures: int = 1024  # training faces that the extremes are taken over; paper: the training set
    shift: Literal["none", "learned"] = "none"  # mean of the noise, per element; released code: learned
    rho_lr: float = 0.1  # Adam's rate for rho and the shift, same schedule as the server's; as in the released code


class Budget(nn.Module):
    """log eps_i of all elements, in float32: a softmax over 10^6 elements has no room for less."""

    def __init__(self, shape: tuple[int, int, int], mean: float, times: float) -> None:
        super().__init__()
        self.rho = Brisk(shape, times)
        self.offset = math.log(mean * math.prod(shape))

    def forward(self) -> Tensor:
        """(189, H, W)."""
        rho = self.rho()
        with exactly(rho.device):
            return torch.log_softmax(rho.float().flatten(), 0).reshape(rho.shape) + self.offset


@register_defense("dctdp")
class DCTDP(WireDefense):
    """189 noisy frequency channels, with a learnt budget per element."""

    secrets = frozenset({Secret.SAMPLE})
    channels = len(AC)
    fidelity = Fidelity.SIMPLIFIED
    paper = "Ji et al., ECCV 2022"
    paper_value = "recovery PSNR 14.28 dB on LFW at epsilon 0.5; LFW 99.48 %"
    paper_source = "DCTDP, table 1 and figure 7"
    claims = "epsilon-differential privacy of what is sent, and no picture to be recovered from it."
    Settings = DCTDPSettings
    settings: DCTDPSettings
    budget: Budget
    fitted: Tensor
    low: Tensor
    high: Tensor

    def _build_client(self, context: FitContext) -> None:
        s = self.settings
        if s.epsilon_mean <= 0 or s.rho_lr <= 0 or s.sensitivity_pictures < 2 or not 0 < s.quantile < 0.5:
            raise InputError(
                "dctdp: epsilon_mean and rho_lr must be positive, sensitivity_pictures >= 2 and quantile in (0, 0.5), "
                f"got {s.epsilon_mean}, {s.rho_lr}, {s.sensitivity_pictures} and {s.quantile}."
            )
        shape = (len(AC), s.side, s.side)
        self.budget = Budget(shape, s.epsilon_mean, s.rho_lr / s.server_lr)
        if s.shift == "learned":
            self.shift = Brisk(shape, s.rho_lr / s.server_lr)
        self.register_buffer("low", torch.zeros(shape))
        self.register_buffer("high", torch.zeros(shape))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def _fit_client(self, context: FitContext) -> None:
        """Extremes of each element over training faces: order statistics, kept while the faces pass by."""
        faces, s = self.training_faces(context), self.settings
        some = context.some("extremes", s.sensitivity_pictures)
        keep = math.ceil(s.quantile * len(some)) if s.sensitivity == "quantile" else 1
        low, high = (torch.empty(0, *self.low.shape, device=context.device) for _ in range(2))
        for part in context.progress.track(some.split(64), math.ceil(len(some) / 64), "dctdp: sensitivity"):
            seen = coefficients(faces.resized(part, s.side).to(context.device))
            low = smallest(torch.cat([low, seen]), keep)
            high = -smallest(-torch.cat([high, seen]), keep)
        self.low.copy_(low.amax(0))
        self.high.copy_(high.amin(0))
        self.fitted.fill_(value=True)

    def training_wire(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """With gradients: the recognition loss decides where the noise goes."""
        return self.encode(images, secret)

    def learner_modules(self) -> list[nn.Module]:
        return [self.budget, self.shift] if self.settings.shift == "learned" else [self.budget]

    def encode(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, side, side) -> (N, 189, side, side), on the scale of 8-bit pixels, unbounded."""
        if not self.fitted:
            raise InputError(
                "dctdp: the sensitivity was not fitted, so noise of the right size is unknown; call fit(context) with "
                "a train split first."
            )
        scale = self.sensitivity * torch.exp(-self.budget())  # (189, side, side)
        noisy, shift = [], self.shift() if self.settings.shift == "learned" else 0.0
        for part in torch.arange(len(images)).split(AT_ONCE):
            x = coefficients(images[part])
            if self.settings.sensitivity != "one":
                x = torch.minimum(torch.maximum(x, self.low), self.high)
            noise = secret.sample.child("dctdp").laplace(secret.ids[part].to(x.device), tuple(x.shape[1:]))
            noisy.append(x + noise * scale + shift)
        return torch.cat(noisy)

    @property
    def sensitivity(self) -> Tensor:
        """(189, side, side) Delta_i."""
        return torch.ones_like(self.low) if self.settings.sensitivity == "one" else self.high - self.low

    def properties(self) -> dict[str, float | str]:
        """``epsilon_element``, the mean over the elements, and ``epsilon`` of a whole picture, their sum.

        For ``sensitivity = one`` what the noise amounts to: eps_i times the range seen in training; the true value is
        larger, since nothing is clamped there.
        """
        epsilon = torch.exp(self.budget()).double()
        if self.settings.sensitivity == "one":
            epsilon = epsilon * (self.high - self.low)
        return super().properties() | {"epsilon_element": float(epsilon.mean()), "epsilon": float(epsilon.sum())}


def coefficients(images: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, 189, H, W): all frequency channels but the three means."""
    return bdct(images)[:, AC]


def smallest(x: Tensor, count: int) -> Tensor:
    """(N, ...) -> the ``count`` smallest along the first dimension."""
    return x.amin(0, keepdim=True) if count == 1 else x.topk(min(count, len(x)), 0, largest=False).values
