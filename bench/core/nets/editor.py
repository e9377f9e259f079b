"""Small attribute editors, the critic that they learn against, and the encoder-decoder that they are made of.

After StarGAN (Choi et al., CVPR 2018), with two ways of others to hand out the picture: Fixed-Point GAN (Siddiquee et
al., ICCV 2019) adds a residual, AttentionGAN (Tang et al., IJCNN 2019) blends new content in where a mask says so.
StarGAN itself hands out what the network says, which a small one must first learn to copy pictures for.
Instance norm: every picture on its own. StarGAN shows the labels as maps beside the picture; here they also scale and
shift channels (FiLM, Perez et al., AAAI 2018).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

Kind = Literal["residual", "attention"]


class EncoderDecoder(nn.Module):
    """Two halvings, residual blocks, two doublings: (N, c_in, H, W) -> (N, c_out, H, W), linear; sides divisible by 4.

    The first convolution has no norm: a norm would take out what is the same everywhere in a channel, such as a label.
    What else it is told (N, told) scales and shifts the channels before each residual block and after the last one.
    """

    def __init__(self, c_in: int, c_out: int, width: int, blocks: int, told: int = 0) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(c_in, width, 3, padding=1),
            nn.ReLU(),
            *_normed(nn.Conv2d(width, 2 * width, 4, 2, 1), 2 * width),
            *_normed(nn.Conv2d(2 * width, 4 * width, 4, 2, 1), 4 * width),
        )
        self.blocks = nn.ModuleList(_Residual(4 * width) for _ in range(blocks))
        self.films = nn.ModuleList(nn.Linear(told, 8 * width) for _ in range(blocks + 1 if told else 0))
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2),
            *_normed(nn.Conv2d(4 * width, 2 * width, 3, padding=1), 2 * width),
            nn.Upsample(scale_factor=2),
            *_normed(nn.Conv2d(2 * width, width, 3, padding=1), width),
            nn.Conv2d(width, c_out, 3, padding=1),
        )

    def forward(self, x: Tensor, said: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(N, c_in, H, W) -> the output, and the (N, 4 width, H/4, W/4) features in the middle."""
        h = self.encoder(x)
        for place in range(len(self.blocks) + 1):
            if said is not None:
                scale, shift = self.films[place](said)[:, :, None, None].chunk(2, 1)
                h = (1 + scale) * h + shift
            if place < len(self.blocks):
                h = self.blocks[place](h)
        return self.decoder(h), h


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.body = nn.Sequential(*_normed(first, channels), second, nn.InstanceNorm2d(channels, affine=True))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)  # type: ignore[no-any-return]


def _normed(conv: nn.Conv2d, channels: int) -> tuple[nn.Module, ...]:
    return conv, nn.InstanceNorm2d(channels, affine=True), nn.ReLU()


class Editor(nn.Module):
    """Picture and wanted attributes -> the picture with these attributes.

    Args:
        kind: residual: tanh(x + h); attention: (1 - a) tanh(h) + a x; of x in [-1, 1].
        attributes: how many it knows.
        width: channels at full resolution.
        blocks: residual blocks.
    """

    def __init__(self, kind: Kind, attributes: int, width: int = 16, blocks: int = 3) -> None:
        super().__init__()
        self.kind = kind
        self.net = EncoderDecoder(3 + attributes, 4 if kind == "attention" else 3, width, blocks, attributes)

    def forward(self, images: Tensor, wanted: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] and (N, A) in {0, 1} -> (N, 3, H, W) in [0, 1]; sides divisible by 4."""
        return self.edit(images, wanted)[0]

    def edit(self, images: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """As ``forward``, and the features in the middle of the network."""
        x, labels = 2 * images - 1, 2 * wanted - 1
        maps = labels[:, :, None, None].expand(-1, -1, *x.shape[-2:])
        h, middle = self.net(torch.cat([x, maps], dim=1), labels)
        if self.kind == "residual":
            return ((x + h).tanh() + 1) / 2, middle
        content = (h[:, :3].tanh() + 1) / 2
        kept = h[:, 3:].sigmoid()
        return kept * images + (1 - kept) * content, middle


class Critic(nn.Module):
    """(N, 3, H, W) in [0, 1] -> how real each region looks (N, 1, H/16, W/16), and logits of the attributes (N, A)."""

    def __init__(self, attributes: int, width: int = 16) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 8 * width]
        # One group per picture: a norm by channel would take out colours, which hair is known by.
        layers = [(nn.Conv2d(a, b, 4, 2, 1), nn.GroupNorm(1, b), nn.LeakyReLU(0.2)) for a, b in pairwise(widths)]
        self.body = nn.Sequential(*(layer for each in layers for layer in each))
        self.real = nn.Conv2d(8 * width, 1, 3, padding=1)
        self.attributes = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128 * width, attributes))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Realness and logits."""
        h = self.body(2 * images - 1)
        return self.real(h), self.attributes(h)

    def fixed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As ``forward``; gradients reach the pictures, not the critic, so that both learn in one step."""
        weights = {name: value.detach() for name, value in self.named_parameters()}
        return functional_call(self, weights, (images,))  # type: ignore[no-any-return]
