"""Wiener deconvolution: the lens is known, so divide by it, as far as the noise allows.

What privacy-preserving optics (Lopez et al., CVPR 2024) and other learnt lenses must stand up to: a lens is bought,
measured or read from the paper, and no training is needed to undo it. For each colour, in the Fourier domain,
  X = conj(H) Y / (|H|^2 + N / S),    H the lens's transfer function, N and S the power spectra of noise and pictures,
the linear estimate of least squared error (Wiener, 1949; Gonzalez and Woods, chapter 5). S is that of the public
pictures unless one noise-to-signal ratio is set for all frequencies.
It needs to know the defence's algorithm (K2), and one that says what a point of light becomes (`point_spread`).
A textbook method; what a learnt deconvolution makes of the same capture is `recovery-unet`'s row.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..bench.core.context import AttackContext
from ..bench.core.errors import InputError, NotApplicable
from ..bench.core.faces import resize
from ..bench.core.leaks import Leak
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.surfaces import Fidelity, Surface
from ..bench.core.threat import DefenseKnowledge, ThreatModel
from .base import Attack


@dataclass(frozen=True)
class WienerSettings:
    """What is taken for granted about the noise."""

    noise_to_signal: float = 0.0  # ratio of powers, the same at every frequency; 0: from `noise` and public pictures
    noise: float = 0.005  # standard deviation, share of the range; for the spectrum's form
    pictures: int = 512  # public pictures whose spectrum is taken


@register_attack("wiener-deconvolution")
class WienerDeconvolution(Attack):
    """Capture -> picture by the known lens's regularised inverse; nothing is trained."""

    threat = ThreatModel(defense=DefenseKnowledge.K2)
    surfaces = frozenset({Surface.IMAGE})
    fidelity = Fidelity.FAITHFUL
    paper = "Wiener, 1949; Gonzalez & Woods, Digital Image Processing, chapter 5"
    Settings = WienerSettings
    settings: WienerSettings
    inverse: Tensor

    def _fit(self, context: AttackContext) -> None:
        s = self.settings
        if s.noise_to_signal < 0 or s.noise <= 0 or s.pictures < 1:
            raise InputError(
                "wiener-deconvolution: noise_to_signal must not be negative, noise and pictures must be positive, got "
                f"{s.noise_to_signal}, {s.noise} and {s.pictures}."
            )
        kernel = self._kernel(context)
        ratio = torch.tensor(s.noise_to_signal) if s.noise_to_signal else self._ratio(context, kernel.shape[-1])
        self.register_buffer("inverse", wiener(kernel, ratio.to(kernel.device)), persistent=False)

    def _kernel(self, context: AttackContext) -> Tensor:
        """(3, s, s) what a point of light becomes, its middle at (0, 0)."""
        if context.target.threat.defense not in (DefenseKnowledge.K2, DefenseKnowledge.K3):
            raise NotApplicable("wiener-deconvolution undoes a lens that is known (K2), and here there is none.")
        spread = getattr(context.target.defense, "point_spread", None)
        if spread is None:
            raise NotApplicable(
                f"wiener-deconvolution undoes lenses, and {context.target.defense.name} has none (`point_spread`)."
            )
        kernel: Tensor = spread().to(context.device)
        return kernel

    def _ratio(self, context: AttackContext, side: int) -> Tensor:
        """(3, side, side / 2 + 1) power of the noise / of the public pictures."""
        index = torch.arange(min(self.settings.pictures, len(context.public)))
        power = sum(
            torch.fft.rfft2(context.public.resized(part, side)).abs().square().sum(0) for part in index.split(128)
        )
        return self.settings.noise**2 * side**2 * len(index) / torch.as_tensor(power)

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        if isinstance(leak, dict) or leak.ndim != 4 or leak.shape[1] != 3:
            raise NotApplicable("wiener-deconvolution reads pictures of three channels, and this leak is none.")
        side = self.inverse.shape[-2]
        found = torch.fft.irfft2(torch.fft.rfft2(resize(leak.float(), side)) * self.inverse, s=(side, side))
        return Recovery(resize(found.clamp(0, 1), context.resolution))


def wiener(kernel: Tensor, ratio: Tensor) -> Tensor:
    """Transfer function of the inverse filter.

    Args:
        kernel: (C, s, s), its middle at (0, 0).
        ratio: power of the noise / of the signal; one number, or (C, s, s / 2 + 1).

    Returns:
        (C, s, s / 2 + 1) complex, to be multiplied with a picture's ``rfft2``.
    """
    transfer = torch.fft.rfft2(kernel)
    return transfer.conj() / (transfer.abs().square() + ratio)
