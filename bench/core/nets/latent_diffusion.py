"""A small latent diffusion model: pictures are coded eight times smaller, and the diffusion is of the codes.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR 2022. Here the autoencoder is a
plain one of few layers, whose codes are kept small and under a little noise while it learns (theirs is variational and
adversarial), and the conditions scale and shift layers (`denoiser.py`) where theirs are attended to.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..faces import resize
from .decoder import up_block
from .denoiser import Denoiser, zeroed
from .diffusion import TIMES, Diffusion, Guide, Model, Predict, guided
from .multiscale import BUCKETS, MultiScale
from .ssim import ssim_map
from .standardize import Standardize
from .unet import double_conv

FACTOR = 8  # sides of a picture / sides of its code


def coded_side(resolution: int) -> int:
    """The multiple of 8 nearest to ``resolution`` pixels, at least 16."""
    return max(2, round(resolution / FACTOR)) * FACTOR


class LatentAutoencoder(nn.Module):
    """(N, 3, s, s) in [0, 1] <-> (N, channels, s / 8, s / 8) of about unit variance, for any s that 8 divides.

    Both ways are a linear map of squares of 8 x 8 pixels plus what convolutions add to it, which is nothing to begin
    with: short trainings start from coarse faces, not from grey.

    Args:
        channels: of a code.
        width: channels at half the side; doubled at each halving.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        w = width
        self.squares = nn.Conv2d(3 * FACTOR**2, channels, 1)
        self.down = nn.Sequential(
            nn.PixelUnshuffle(2), double_conv(12, w),
            nn.Conv2d(w, 2 * w, 3, 2, 1), double_conv(2 * w, 2 * w),
            nn.Conv2d(2 * w, 4 * w, 3, 2, 1), double_conv(4 * w, 4 * w),
            zeroed(nn.Conv2d(4 * w, channels, 1)),
        )  # fmt: skip
        self.pixels = nn.Conv2d(channels, 3 * FACTOR**2, 1)
        self.up = nn.Sequential(
            nn.Conv2d(channels, 4 * w, 1), double_conv(4 * w, 4 * w),
            up_block(4 * w, 2 * w), double_conv(2 * w, 2 * w),
            up_block(2 * w, w), double_conv(w, w),
            zeroed(nn.Conv2d(w, 12, 3, padding=1)), nn.PixelShuffle(2),
        )  # fmt: skip
        self.standardize = Standardize(torch.zeros(1, channels, 1, 1))

    def encode(self, images: Tensor) -> Tensor:
        """(N, 3, s, s) -> (N, channels, s / 8, s / 8)."""
        return self.standardize(self.code(images))  # type: ignore[no-any-return]

    def decode(self, z: Tensor) -> Tensor:
        """(N, channels, s / 8, s / 8) -> (N, 3, s, s) in [0, 1]."""
        return self.drawn(z / self.standardize.scale + self.standardize.mean)

    def code(self, images: Tensor) -> Tensor:
        """As ``encode``, before codes are standardised."""
        x = 2 * images - 1
        return self.squares(F.pixel_unshuffle(x, FACTOR)) + self.down(x)  # type: ignore[no-any-return]

    def drawn(self, code: Tensor) -> Tensor:
        """As ``decode``, of a code that is not standardised."""
        return (F.pixel_shuffle(self.pixels(code), FACTOR) + self.up(code)).sigmoid()  # type: ignore[no-any-return]

    @torch.no_grad()
    def aim(self, images: Tensor) -> None:
        """Begin as the best linear code of the squares of (n, 3, s, s) pictures: their principal components."""
        squares = F.pixel_unshuffle(2 * images - 1, FACTOR).movedim(1, -1).flatten(0, 2).double()  # (n s s / 64, 192)
        mean, channels = squares.mean(0), self.squares.out_channels
        variance, axes = torch.linalg.eigh(squares.T.cov())
        spread, axes = variance[-channels:].clamp(min=1e-9).sqrt(), axes[:, -channels:]
        # A sigmoid near 0.5 is 0.5 + u / 4: twice the centred pixel is about what it takes.
        maps = ((self.squares, (axes / spread).T, -mean @ axes / spread), (self.pixels, 2 * axes * spread, 2 * mean))
        for layer, weight, offset in maps:
            assert layer.bias is not None
            layer.weight.copy_(weight[:, :, None, None])
            layer.bias.copy_(offset)

    def loss(self, images: Tensor, noise: Tensor, penalty: float) -> Tensor:
        """Scalar: mean |y - x| + 0.3 (1 - SSIM) + penalty * mean code^2; before the codes are standardised.

        Args:
            images: (B, 3, s, s) x.
            noise: (B, channels, s / 8, s / 8), added to the code before y is drawn from it.
            penalty: without it codes would outgrow the noise.
        """
        code = self.code(images)
        y = self.drawn(code + noise)
        value: Tensor = (y - images).abs().mean() + 0.3 * (1 - ssim_map(y, images).mean())
        return value + penalty * code.square().mean()


class CodedDiffusion(nn.Module, ABC):
    """Pictures <-> codes, and a diffusion of the codes, whoever has trained it.

    Attributes:
        side: of the pictures, pixels.
        shape: of a code, (channels, h, w).
    """

    side: int
    shape: tuple[int, int, int]

    @abstractmethod
    def process(self, levels: int) -> Diffusion:
        """The diffusion of the codes, by samplers that visit ``levels`` noise levels."""

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> codes (N, *shape) of about unit variance."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """(N, *shape) -> (N, 3, side, side) in [0, 1]."""

    @abstractmethod
    def free(self) -> Model:
        """The denoiser without a condition."""

    def redrawn(
        self, images: Tensor, noise: Tensor, process: Diffusion, strength: float, model: Model,
        guide: Guide | None = None,
    ) -> Tensor:  # fmt: skip
        """Pictures put under noise, and drawn from there.

        Args:
            images: (N, 3, H, W) in [0, 1].
            noise: (N, *shape) standard normal.
            process: of ``process``.
            strength: of the noise, a share of its levels.
            model: a denoiser of codes.
            guide: as of ``Diffusion.sample``, of codes.

        Returns:
            (N, 3, side, side) in [0, 1].
        """
        skip = process.entry(strength)
        start = torch.full((len(images),), process.times[skip], device=images.device)
        noisy = process.noised(self.encode(images), noise, start)
        return self.decode(process.sample(model, noisy, skip, guide))


class LatentDiffusion(CodedDiffusion):
    """An autoencoder, a denoiser of its codes, and what makes conditions of what a recogniser's layers say.

    Args:
        side: of the pictures, pixels, a multiple of 8.
        channels: of a code.
        coder_width: channels of the autoencoder.
        width: channels of the denoiser at its finest scale.
        levels: its halvings; fewer where the codes cannot be halved as often.
        dim: length of a condition.
        predict: what the denoiser says.
        widths: numbers that each layer says; empty: there are no conditions.
    """

    def __init__(
        self, side: int, channels: int, coder_width: int, width: int, levels: int, dim: int, predict: Predict,
        widths: tuple[int, ...],
    ) -> None:  # fmt: skip
        super().__init__()
        grid = side // FACTOR
        halvings = next(k for k in reversed(range(levels + 1)) if grid % (1 << k) == 0)
        self.side, self.dim, self.predict = side, dim, predict
        self.shape = (channels, grid, grid)  # of a code
        self.coder = LatentAutoencoder(channels, coder_width)
        self.denoiser = Denoiser(dim, grid, width, halvings, 1, channels)
        self.conditions = MultiScale(widths, dim) if widths else None

    def process(self, levels: int) -> Diffusion:
        return Diffusion("scaled-linear", self.predict, levels, math.inf)

    def encode(self, images: Tensor) -> Tensor:
        return self.coder.encode(resize(images, self.side))

    def decode(self, z: Tensor) -> Tensor:
        return self.coder.decode(z)

    def embeddings(self, said: Sequence[Tensor], count: int) -> Tensor:
        """(count, BUCKETS, dim) conditions out of what a recogniser's layers say; without those, none: zeros."""
        if self.conditions is None:
            place = self.coder.standardize.mean.device
            return torch.zeros(count, BUCKETS, self.dim, device=place)  # type: ignore[arg-type]
        return self.conditions(said)  # type: ignore[no-any-return]

    def free(self) -> Model:
        return lambda noisy, t: self.steered(noisy.new_zeros(len(noisy), BUCKETS, self.dim))(noisy, t)

    def steered(self, embeddings: Tensor, down_to: float = 0.0, guidance: float = 1.0) -> Model:
        """The denoiser under each bucket's own condition.

        Args:
            embeddings: (N, BUCKETS, dim); all zeros: no condition.
            down_to: below this share of the noise levels there is no condition.
            guidance: as the scale of ``guided``.
        """

        def model(noisy: Tensor, t: Tensor) -> Tensor:
            z = embeddings[torch.arange(len(t), device=t.device), BUCKETS * t // TIMES]
            said: Tensor = guided(self.denoiser, z * (t >= down_to * TIMES)[:, None], guidance)(noisy, t)
            return said

        return model
