"""Diffusion of pictures: how noise is added, what a network learns to take it off, and how faces are drawn from noise.

Ho et al., "Denoising Diffusion Probabilistic Models" (DDPM), NeurIPS 2020; Nichol and Dhariwal, "Improved Denoising
Diffusion Probabilistic Models", ICML 2021 (cosine schedule); Song et al., "Denoising Diffusion Implicit Models"
(DDIM), ICLR 2021; Salimans and Ho, "Progressive Distillation", ICLR 2022 (velocity); Ho and Salimans,
"Classifier-Free Diffusion Guidance", NeurIPS workshop 2021; Rombach et al., "High-Resolution Image Synthesis with
Latent Diffusion Models", CVPR 2022 (scaled linear schedule).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from ..errors import InputError

TIMES = 1000  # noise levels, as in all of the papers

Schedule: TypeAlias = Literal["cosine", "linear", "scaled-linear"]
Predict: TypeAlias = Literal["velocity", "noise"]
Model: TypeAlias = Callable[[Tensor, Tensor], Tensor]  # (noisy pictures, times) -> noise or velocity
Conditional: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]  # the same, of a condition too
Guide: TypeAlias = Callable[[Tensor], Tensor]  # the picture that x_t is taken for -> what is taken off the next x_t


def alpha_bar(schedule: Schedule) -> Tensor:
    """(TIMES,) float64, falling in (0, 1): the share of the picture in the variance of x_t.

    Args:
        schedule: ``linear``, DDPM: the variances beta added at each level grow from 1e-4 to 0.02; ``cosine``, Nichol
            and Dhariwal, equation 17 with s = 0.008 and beta <= 0.999; ``scaled-linear``, Stable Diffusion: the square
            roots of the variances grow from those of 0.00085 to 0.012.
    """
    if schedule == "scaled-linear":
        return (1 - torch.linspace(0.00085**0.5, 0.012**0.5, TIMES, dtype=torch.float64).square()).cumprod(0)
    if schedule == "linear":
        return (1 - torch.linspace(1e-4, 0.02, TIMES, dtype=torch.float64)).cumprod(0)
    level = torch.linspace(0, 1, TIMES + 1, dtype=torch.float64)
    f = ((level + 0.008) / 1.008 * math.pi / 2).cos().square()
    return (f[1:] / f[:-1]).clamp(min=0.001).cumprod(0)


class Diffusion:
    """x_t = alpha_t x + sigma_t noise, alpha_t^2 = alpha_bar_t, sigma_t^2 = 1 - alpha_bar_t; and the way back.

    Args:
        schedule: of the noise; or alpha_bar itself, (TIMES,).
        predict: what the network says of x_t: the ``noise`` (DDPM), or the ``velocity`` alpha_t noise - sigma_t x,
            which is -x where there is only noise: a network that has learnt little draws a mean picture then, where
            one that says the noise has it divided by alpha_t, next to nothing.
        steps: how many of the noise levels a sampler visits, evenly spaced, 1 to ``TIMES``.
        bound: pictures lie in [-bound, bound], and guesses at them are cut to that; infinite for latents.

    Raises:
        InputError: ``steps`` is out of range.
    """

    def __init__(self, schedule: Schedule | Tensor, predict: Predict, steps: int, bound: float = 1.0) -> None:
        if not 1 <= steps <= TIMES:
            raise InputError(f"A sampler visits 1 to {TIMES} noise levels, got {steps}.")
        share = schedule if isinstance(schedule, Tensor) else alpha_bar(schedule)
        self.predict, self.bound = predict, bound
        self.times: list[int] = torch.linspace(TIMES - 1, 0, steps).round().long().tolist()
        self.alpha, self.sigma = share.sqrt().float(), (1 - share).sqrt().float()

    def noised(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t.

        Args:
            x: (N, C, H, W) in [-1, 1].
            noise: of the same shape, standard normal.
            t: (N,) int64 in [0, TIMES), 0 next to no noise.
        """
        alpha, sigma = self._at(t, x)
        return alpha * x + sigma * noise

    def target(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network should say of x_t; arguments as in ``noised``."""
        alpha, sigma = self._at(t, x)
        return noise if self.predict == "noise" else alpha * noise - sigma * x

    def picture(self, said: Tensor, noisy: Tensor, t: Tensor) -> Tensor:
        """(N, C, H, W) within the bound: the picture that ``said`` takes ``noisy`` for."""
        alpha, sigma = self._at(t, noisy)
        x = (noisy - sigma * said) / alpha if self.predict == "noise" else alpha * noisy - sigma * said
        return x.clamp(-self.bound, self.bound)

    def entry(self, strength: float) -> int:
        """How many levels a sampler skips that starts from a picture under noise of ``strength``, 1 = noise alone."""
        return sum(time >= strength * TIMES for time in self.times[:-1])

    def sample(self, model: Model, noise: Tensor, skip: int = 0, guide: Guide | None = None) -> Tensor:
        """Pictures out of noise by DDIM without fresh noise (its equation 12 with sigma = 0).

        Args:
            model: a trained network.
            noise: (N, C, H, W) standard normal; it decides the pictures. Where levels are skipped: pictures under noise
                of the first level that is not.
            skip: how many levels are skipped, from the noisy end.
            guide: bends the path: usually the gradient of an energy of the picture.

        Returns:
            (N, C, H, W) within the bound.
        """
        levels = [torch.full((len(noise),), time, device=noise.device) for time in self.times[skip:]]
        noisy = noise
        x = self.picture(model(noisy, levels[0]), noisy, levels[0])
        for now, following in pairwise(levels):
            alpha, sigma = self._at(now, noise)
            # The noise that agrees with the clipped picture, so that picture and noise make up x_t again.
            left = (noisy - alpha * x) / sigma
            off = 0 if guide is None else guide(x)
            noisy = self.noised(x, left, following) - off
            x = self.picture(model(noisy, following), noisy, following)
        return x

    def invert(self, model: Model, x: Tensor, rounds: int = 1) -> Tensor:
        """The noise that ``sample`` makes ``x`` of: its steps from the last to the first.

        Where ``sample`` went from x_u to a less noisy x_t, the way back wants the noise that the network sees in the
        unknown x_u. It is asked about x_t in its stead (Mokady et al., CVPR 2023, section 3), then about what that
        gives: each round brings ``sample`` nearer to ``x`` where the network is smooth.

        Args:
            model: as in ``sample``.
            x: (N, C, H, W), well within the bound: cut guesses cannot be inverted.
            rounds: how often the network is asked at each level, 1 or more.

        Returns:
            (N, C, H, W), about standard normal.
        """
        one, none = torch.ones(1, device=x.device), torch.zeros(1, device=x.device)
        noisy, alpha, sigma = x, one, none  # no noise at all
        for time in reversed(self.times):
            t = torch.full((len(x),), time, device=x.device)
            above, alpha_above, sigma_above = noisy, *self._at(t, x)
            for _ in range(rounds):
                said = model(above, t)
                noise = said if self.predict == "noise" else alpha_above * said + sigma_above * above
                above = alpha_above * (noisy - sigma * noise) / alpha + sigma_above * noise
            noisy, alpha, sigma = above, alpha_above, sigma_above
        return noisy

    def _at(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """alpha and sigma at (N,) times, shaped to multiply (N, C, H, W)."""
        where = t.cpu()
        alpha, sigma = (table[where].to(like.device).reshape(-1, 1, 1, 1) for table in (self.alpha, self.sigma))
        return alpha, sigma


def guided(net: Conditional, z: Tensor, scale: float) -> Model:
    """Classifier-free guidance: what ``net`` says without the condition, plus ``scale`` times what that changes.

    Args:
        net: trained with its condition left out (all zeros) now and then.
        z: (N, D) the conditions.
        scale: 0 ignores the condition, 1 is the plain conditional network, more exaggerates it.
    """
    if scale == 1:
        return lambda noisy, t: net(noisy, t, z)
    nothing = torch.zeros_like(z)
    if scale == 0:
        return lambda noisy, t: net(noisy, t, nothing)

    def model(noisy: Tensor, t: Tensor) -> Tensor:
        said, without = net(noisy.repeat(2, 1, 1, 1), t.repeat(2), torch.cat([z, nothing])).chunk(2)
        return without + scale * (said - without)

    return model
