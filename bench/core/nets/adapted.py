"""A recogniser of pictures put to work on a transformed picture: one 3x3 convolution, then a trainable copy of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..linear import ridge


class Adapted(nn.Module):
    """(N, C, h, w) standardised map -> 3x3 convolution -> picture -> recogniser -> (N, D).

    The recogniser keeps its batch statistics while it is trained further: they were learnt on many faces, a batch here
    has dozens.

    Args:
        channels: C.
        recognizer: a trainable copy, (N, 3, H, W) in [0, 1] -> (N, D).
    """

    def __init__(self, channels: int, recognizer: nn.Module) -> None:
        super().__init__()
        self.adapter = nn.Conv2d(channels, 3, 3, padding=1)
        self.recognizer = recognizer

    def train(self, mode: bool = True) -> Adapted:
        super().train(mode)
        self.recognizer.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.recognizer(self.adapter(x).clamp(0, 1))  # type: ignore[no-any-return]

    @torch.no_grad()
    def aim(self, x: Tensor, images: Tensor, penalty: float = 1e-3) -> None:
        """Begin as the best linear map to the picture, pixel by pixel (ridge regression, no neighbours).

        From a random start the recogniser would see noise first, and lose what it knows before it learns to read.

        Args:
            x: (n, C, h, w) standardised maps.
            images: (n, 3, h, w) their pictures.
            penalty: on the weights, relative to the mean variance of a channel.
        """
        flat = x.double().movedim(1, -1).flatten(0, -2)  # (n h w, C)
        wanted = images.movedim(1, -1).flatten(0, -2)
        weight, offset = ridge(flat, wanted, penalty * flat.var(0).mean())
        self.adapter.weight.zero_()
        self.adapter.weight[:, :, 1, 1] = weight.T.float()
        assert self.adapter.bias is not None
        self.adapter.bias.copy_(offset.float())
