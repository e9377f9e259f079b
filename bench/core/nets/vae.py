"""Variational autoencoder of faces (Kingma and Welling, ICLR 2014): a small generative prior that trains in minutes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .decoder import UpDecoder
from .resnet import SMALL, ResNet
from .ssim import ssim_map


class FaceVae(nn.Module):
    """Picture <-> latent of about unit variance.

    Args:
        size: side of the pictures, a multiple of 8, at least 16.
        dim: length of a latent.
        width: channels of the decoder at 4x4.
    """

    def __init__(self, size: int, dim: int, width: int) -> None:
        super().__init__()
        self.size, self.dim = size, dim
        self.encoder = ResNet(dim=2 * dim, widths=SMALL)
        self.decoder = UpDecoder(dim, size, width)

    def forward(self, w: Tensor) -> Tensor:
        """(N, dim) latents -> (N, 3, size, size) in [0, 1]."""
        return self.decoder(w)  # type: ignore[no-any-return]

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, size, size) in [0, 1] -> mean and log variance of the latent, (N, dim) each."""
        mean, log_variance = self.encoder(2 * images - 1).chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 4)

    def loss(self, images: Tensor, noise: Tensor, kl: float) -> Tensor:
        """Scalar: mean |y - x| + 0.3 (1 - SSIM) + kl / dim * KL(q(w | x) || N(0, 1)).

        Args:
            images: (B, 3, size, size) x.
            noise: (B, dim) standard normal.
            kl: weight of the last term; small, and latents spread beyond what decodes to faces.
        """
        mean, log_variance = self.encode(images)
        y = self(mean + noise * (log_variance / 2).exp())
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        value: Tensor = (y - images).abs().mean() + 0.3 * (1 - ssim_map(y, images).mean())
        return value + kl * divergence


def limited(w: Tensor, bound: float = 3.0) -> Tensor:
    """Latents pulled back to within ``bound``: beyond it the prior holds next to nothing, and pictures fall apart."""
    return torch.clamp(w, -bound, bound)
