"""A small network of inverted residuals for face embeddings (MobileNetV2, Sandler et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .blocks import EmbeddingHead, conv_bn


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise, linear 1x1 projection: (N, c_in, h, w) -> (N, c_out, h/stride, w/stride).

    ReLU and not MobileFaceNet's PReLU: on the expanded channels PReLU's backward nearly doubles the CPU time of a step.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1, expand: int = 2) -> None:
        super().__init__()
        hidden = c_in * expand
        self.body = nn.Sequential(
            conv_bn(c_in, hidden, 1),
            nn.ReLU(inplace=True),
            conv_bn(hidden, hidden, 3, stride, groups=hidden),
            nn.ReLU(inplace=True),
            conv_bn(hidden, c_out, 1),
        )
        self.skip = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) -> (N, c_out, h/stride, w/stride)."""
        y: Tensor = self.body(x)
        return x + y if self.skip else y


class MobileNet(nn.Module):
    """Stem, one halving stage per width, embedding head.

    Args:
        in_channels: 3 for images; 27, 192, ... for what a wire defence sends.
        dim: D of the embedding.
        stem_width: channels after the stem.
        widths: channels of the stages.
        blocks: inverted residuals per stage.
        expand: channels inside a block, as a multiple of those outside.
        stem_stride: 2 makes every later layer four times cheaper; 1 keeps detail, for inputs below 48 pixels.
    """

    def __init__(
        self,
        in_channels: int = 3,
        dim: int = 128,
        stem_width: int = 24,
        widths: Sequence[int] = (32, 64, 128),
        blocks: int = 2,
        expand: int = 2,
        stem_stride: int = 2,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(in_channels, stem_width, 3, stem_stride), nn.ReLU(inplace=True))
        layers: list[nn.Module] = []
        c_in = stem_width
        for width in widths:
            for block in range(blocks):
                layers.append(InvertedResidual(c_in, width, stride=1 if block else 2, expand=expand))
                c_in = width
        self.body = nn.Sequential(*layers)
        self.head = EmbeddingHead(c_in, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w), centred values -> (N, dim) of any norm."""
        z: Tensor = self.head(self.body(self.stem(x)))
        return z
