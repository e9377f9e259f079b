"""A U-Net (Ronneberger et al., MICCAI 2015) without norms that maps a stack of channels to as many channels.

Unlike ``UNet``, which draws pictures, it ends linearly, and nothing in it divides by statistics of the sample, so the
size of the input reaches the output.
"""

from __future__ import annotations

from torch import nn

from .unet import UNetBody


class GeneratorUNet(UNetBody):
    """(N, C, H, W) of about unit size -> (N, C, H, W); says zero until it is trained. Arguments as in ``UNetBody``."""

    def __init__(self, channels: int, width: int = 8, levels: int = 3) -> None:
        super().__init__(channels, channels, width, levels, _double_conv)
        for layer in self.modules():
            # torch's own start shrinks the signal by 2.4 per layer; without norms nothing would undo that.
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.head.weight)


def _double_conv(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels_out, channels_out, 3, padding=1),
        nn.ReLU(),
    )
