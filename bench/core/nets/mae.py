"""A small masked autoencoder (He et al., CVPR 2022): a transformer that sees some patches and draws the whole picture.

The encoder is given the visible patches only; the decoder their tokens and, in the place of every other patch, one
learnt mask token. Smaller than the paper's ViT-B in all sizes; positions are its fixed sines and cosines.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def patches_of(images: Tensor, patch: int) -> Tensor:
    """(N, 3, H, W) -> (N, T, 3 patch^2), row by row."""
    n, c, h, w = images.shape
    cut = images.reshape(n, c, h // patch, patch, w // patch, patch)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(n, (h // patch) * (w // patch), c * patch * patch)


def picture_of(patches: Tensor, patch: int, side: int) -> Tensor:
    """(N, T, 3 patch^2) -> (N, 3, side, side); the inverse of ``patches_of``."""
    n, g = len(patches), side // patch
    return patches.reshape(n, g, g, 3, patch, patch).permute(0, 3, 1, 4, 2, 5).reshape(n, 3, side, side)


def positions(grid: int, width: int) -> Tensor:
    """(grid^2, width): sines and cosines of the row in the first half, of the column in the second."""
    quarter = width // 4
    rate = 10_000.0 ** -(torch.arange(quarter) / quarter)
    angle = torch.arange(grid)[:, None] * rate  # (grid, width / 4)
    axis = torch.cat([angle.sin(), angle.cos()], dim=1)  # (grid, width / 2)
    rows, columns = axis[:, None].expand(-1, grid, -1), axis[None].expand(grid, -1, -1)
    return torch.cat([rows, columns], dim=2).flatten(0, 1)


def transformer(width: int, depth: int, heads: int) -> nn.Sequential:
    """Pre-norm layers without dropout and a last norm. Each layer has first weights of its own."""
    layers = [
        nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        for _ in range(depth)
    ]
    return nn.Sequential(*layers, nn.LayerNorm(width))


class MaskedAutoencoder(nn.Module):
    """Visible patches -> the whole picture.

    Args:
        side: pixels per side, a multiple of ``patch``.
        patch: pixels per side of a patch.
        width: length of the encoder's tokens, a multiple of 4 and of ``heads``; the decoder's have the same.
        depth: layers of the encoder.
        decoder_depth: layers of the decoder.
        heads: attention heads.
    """

    place: Tensor

    def __init__(
        self, side: int = 64, patch: int = 8, width: int = 96, depth: int = 4, decoder_depth: int = 2, heads: int = 4
    ) -> None:
        super().__init__()
        self.side, self.patch, self.tokens = side, patch, (side // patch) ** 2
        self.register_buffer("place", positions(side // patch, width), persistent=False)
        self.embed = nn.Linear(3 * patch * patch, width)
        self.encoder = transformer(width, depth, heads)
        self.mask_token = nn.Parameter(torch.randn(width) * 0.02)
        self.decoder = transformer(width, decoder_depth, heads)
        self.head = nn.Linear(width, 3 * patch * patch)
        for layer in self.modules():
            # As in MAE; torch's own smaller weights would drown what a patch shows in where it is.
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor, visible: Tensor) -> Tensor:
        """The whole picture as the decoder draws it, visible patches too.

        Args:
            images: (N, 3, side, side) in [0, 1]; read at the visible patches only.
            visible: (N, V) int64, the patches that are seen, each once.

        Returns:
            (N, 3, side, side) in [0, 1].
        """
        row = torch.arange(len(images), device=images.device)[:, None]
        seen = patches_of(images, self.patch)[row, visible]  # (N, V, 3 patch^2)
        encoded = self.encoder(self.embed(4 * seen - 2) + self.place[visible])
        filled = self.mask_token.expand(len(images), self.tokens, -1).to(encoded.dtype)
        filled = filled.scatter(1, visible[:, :, None].expand_as(encoded), encoded)
        drawn = self.head(self.decoder(filled + self.place))
        return picture_of(drawn.float().sigmoid(), self.patch, self.side)
