"""A StyleGAN2 of 16 pixels with random weights, by the names of NVIDIA's releases, spelt out."""

from __future__ import annotations

import torch
from torch import Tensor

Z_DIM, W_DIM = 6, 5
CHANNELS = {4: 8, 8: 6, 16: 4}


def tiny_stylegan2(seed: int = 0) -> dict[str, Tensor]:
    """Its state dict."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=random)

    state = {"mapping.w_avg": 0.3 * draw(W_DIM)}
    for layer, width in enumerate((Z_DIM, W_DIM)):  # kept a hundred times too large: their learning rate is 0.01
        state[f"mapping.fc{layer}.weight"] = 100 * draw(W_DIM, width)
        state[f"mapping.fc{layer}.bias"] = 10 * draw(W_DIM)
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    for side, channels in CHANNELS.items():
        block = f"synthesis.b{side}"
        before = CHANNELS.get(side // 2, channels)
        if side == 4:
            state[f"{block}.const"] = draw(channels, 4, 4)
        state[f"{block}.resample_filter"] = torch.outer(line, line)
        for conv, width in (("conv0", before), ("conv1", channels)):
            if side == 4 and conv == "conv0":
                continue
            state |= {
                f"{block}.{conv}.affine.weight": draw(width, W_DIM),
                f"{block}.{conv}.affine.bias": 1 + 0.1 * draw(width),
                f"{block}.{conv}.weight": draw(channels, width, 3, 3),
                f"{block}.{conv}.bias": 0.1 * draw(channels),
                f"{block}.{conv}.noise_strength": 0.1 * draw(),
                f"{block}.{conv}.noise_const": draw(side, side),
                f"{block}.{conv}.resample_filter": torch.outer(line, line),
            }
        state |= {
            f"{block}.torgb.affine.weight": draw(channels, W_DIM),
            f"{block}.torgb.affine.bias": 1 + 0.1 * draw(channels),
            f"{block}.torgb.weight": draw(3, channels, 1, 1),
            f"{block}.torgb.bias": 0.1 * draw(3),
        }
    return state
