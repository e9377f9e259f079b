"""A plain strided convolution network for face embeddings (after VGG, Simonyan and Zisserman 2015): the cheapest."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .blocks import EmbeddingHead, conv_bn


class PlainNet(nn.Module):
    """One 3x3 convolution per width, no shortcuts; the first has ``stem_stride``, each later one halves the size.

    Args:
        in_channels: 3 for images; 27, 192, ... for what a wire defence sends.
        dim: D of the embedding.
        widths: channels of the layers.
        stem_stride: 2 makes every later layer four times cheaper; 1 keeps detail, for inputs below 48 pixels.
    """

    def __init__(
        self,
        in_channels: int = 3,
        dim: int = 128,
        widths: Sequence[int] = (32, 64, 128, 256),
        stem_stride: int = 2,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c_in = in_channels
        for position, width in enumerate(widths):
            layers += [conv_bn(c_in, width, 3, 2 if position else stem_stride), nn.ReLU(inplace=True)]
            c_in = width
        self.body = nn.Sequential(*layers)
        self.head = EmbeddingHead(c_in, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w), centred values -> (N, dim) of any norm."""
        z: Tensor = self.head(self.body(x))
        return z
