"""Noise that changes most what a network makes of a vector or a feature map: projected gradient ascent in a box.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018, equation 1: steps along the
sign of the gradient, projected to the L-infinity ball. Used by the defences that perturb what they store.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..precision import exactly
from .standardize import Standardize

# Always this many rows at a time, the last ones padded: kernels round differently for other batch sizes, and the sign
# of a gradient near zero would turn that into another noise.
ROWS = 32

Objective = Callable[[Tensor], Callable[[Tensor], Tensor]]


def direct(shadow: Callable[[Tensor], Tensor]) -> Objective:
    """|S(noisy) - S(clean)|^2: how far the shadow's picture moves."""

    def objective(clean: Tensor) -> Callable[[Tensor], Tensor]:
        before = shadow(clean)
        return lambda noisy: (shadow(noisy) - before).square().flatten(1).sum(1)

    return objective


def cycle(shadow: Callable[[Tensor], Tensor], latent: Callable[[Tensor], Tensor]) -> Objective:
    """|S(latent(x)) - x|^2 of x = S(noisy): how far the shadow's picture is from one that it would draw of itself."""

    def change(noisy: Tensor) -> Tensor:
        picture = shadow(noisy)
        return (shadow(latent(picture)) - picture).square().flatten(1).sum(1)

    return lambda clean: change


def objective(mode: str, shadow: Callable[[Tensor], Tensor], latent: Callable[[Tensor], Tensor]) -> Objective:
    """``direct`` or ``cycle``."""
    return direct(shadow) if mode == "direct" else cycle(shadow, latent)


def protected(x: Tensor, draw: Tensor, standardize: Standardize, increase: Objective, eps: float, steps: int) -> Tensor:
    """x + d, where |d| <= ``eps`` standard deviations makes ``increase`` large.

    Args:
        x: (N, ...) clean rows.
        draw: (N, ...) uniform in (0, 1): the random start, in a tenth of the ball.
        standardize: of the rows; what never varies stays as it is.
        increase: of standardised rows.
        eps: radius, standard deviations.
        steps: as in ``latent_noise``.
    """
    bound = eps * (standardize.scale > 0).float()
    start = (2 * draw.to(x.device) - 1) * bound / 10
    noise = latent_noise(increase, standardize(x), start, bound, steps)
    return x + torch.where(bound > 0, noise / standardize.scale, 0.0)


def latent_noise(objective: Objective, x: Tensor, start: Tensor, bound: Tensor, steps: int) -> Tensor:
    """Noise d with |d| <= bound that makes the objective large, each sample by its own gradient.

    Args:
        objective: the clean rows (n, ...) -> a function of the noisy rows (n, ...) -> (n,) what to increase.
        x: (N, ...) clean rows.
        start: (N, ...) noise to begin with; at a minimum of the objective, such as 0, the gradient says nothing.
        bound: radius per coordinate, of a shape that broadcasts with ``x``; a coordinate of radius 0 stays as it is.
        steps: steps of 2.5 bound / steps, enough to reach any corner from any other.
    """
    parts = [
        _ascend(objective, padded(x[i : i + ROWS]), padded(start[i : i + ROWS]), bound, steps)[: len(x) - i]
        for i in range(0, len(x), ROWS)
    ]
    return torch.cat(parts) if parts else torch.zeros_like(x)


def _ascend(objective: Objective, x: Tensor, start: Tensor, bound: Tensor, steps: int) -> Tensor:
    # Callers compute leaks without gradients, and trainers under autocast: neither may change the noise.
    with exactly(x.device):
        with torch.no_grad():
            value = objective(x)
            noise = start.clamp(-bound, bound)
        with torch.enable_grad():
            for _ in range(steps):
                noise = noise.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(value(x + noise).sum(), noise)
                noise = (noise + 2.5 / steps * bound * gradient.sign()).clamp(-bound, bound)
    return noise.detach()


def in_rows(function: Callable[..., Tensor], x: Tensor, *others: Tensor) -> Tensor:
    """``function`` of (N, ...) without gradient, in the batches of ``latent_noise``: for what its noise starts from."""
    with torch.no_grad(), exactly(x.device):
        parts = [
            function(*(padded(each[i : i + ROWS]) for each in (x, *others)))[: len(x) - i]
            for i in range(0, max(1, len(x)), ROWS)
        ]
    return torch.cat(parts)


def padded(x: Tensor) -> Tensor:
    """(n, ...) -> (``ROWS``, ...), zeros behind."""
    return torch.cat([x, x.new_zeros(ROWS - len(x), *x.shape[1:])]) if len(x) < ROWS else x
