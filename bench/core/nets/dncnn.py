"""DnCNN: a plain convolutional denoiser that says the noise (Zhang et al., "Beyond a Gaussian Denoiser", TIP 2017)."""

from __future__ import annotations

from torch import Tensor, nn


class DnCnn(nn.Module):
    """(N, 3, H, W) noisy pictures in [0, 1] -> (N, 3, H, W) cleaned ones, any side.

    Args:
        layers: convolutions; the paper: 17 to 20.
        width: channels between them; the paper: 64.
    """

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        inner = [nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU()) for _ in range(layers - 2)]
        last = nn.Conv2d(width, 3, 3, padding=1, bias=False)
        nn.init.zeros_(last.weight)  # begins as the identity
        self.body = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), *inner, last)

    def forward(self, images: Tensor) -> Tensor:
        """As above; without batch norm, which needs the statistics of large batches."""
        return (images - self.body(2 * images - 1)).clamp(0, 1)
