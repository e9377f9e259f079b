"""A small residual network for face embeddings (He et al., CVPR 2016; batch norm and PReLU as in ArcFace's IR nets)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .blocks import EmbeddingHead, conv_bn

# Widths of a network that a CPU trains in minutes.
SMALL = (16, 32, 64, 128)


class ResidualBlock(nn.Module):
    """PReLU(F(x) + shortcut(x)), F = two 3x3 convolutions: (N, c_in, h, w) -> (N, c_out, h/stride, w/stride)."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_bn(c_in, c_out, 3, stride), nn.PReLU(c_out), conv_bn(c_out, c_out))
        same = stride == 1 and c_in == c_out
        self.shortcut = nn.Identity() if same else conv_bn(c_in, c_out, 1, stride)
        self.act = nn.PReLU(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) -> (N, c_out, h/stride, w/stride)."""
        y: Tensor = self.act(self.body(x) + self.shortcut(x))
        return y


class ResNet(nn.Module):
    """Stem, one stage per width (the first keeps the size, each later one halves it), embedding head.

    Args:
        in_channels: 3 for images; 27, 192, ... for what a wire defence sends.
        dim: D of the embedding.
        widths: channels of the stages.
        blocks: residual blocks per stage.
        stem_stride: 2 makes every later layer four times cheaper; 1 keeps detail, for inputs below 48 pixels.
    """

    def __init__(
        self,
        in_channels: int = 3,
        dim: int = 128,
        widths: Sequence[int] = (32, 64, 128, 256),
        blocks: int = 1,
        stem_stride: int = 2,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(in_channels, widths[0], 3, stem_stride), nn.PReLU(widths[0]))
        layers: list[nn.Module] = []
        c_in = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                layers.append(ResidualBlock(c_in, width, stride=2 if stage and not block else 1))
                c_in = width
        self.body = nn.Sequential(*layers)
        self.head = EmbeddingHead(c_in, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w), centred values -> (N, dim) of any norm."""
        z: Tensor = self.head(self.body(self.stem(x)))
        return z
