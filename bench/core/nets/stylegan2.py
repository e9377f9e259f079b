"""The generator of StyleGAN2, to run published weights: mapping z -> w, and the synthesis of a picture from w.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, configuration F with skip
connections, without labels. Tensors have the names under which NVIDIA's PyTorch releases keep them, and all sizes are
read off them. Noise is the constant one that is kept with the weights, so that equal latents give equal pictures.
Everything is float32; activations are not clamped (the releases clamp at 256, for the sake of half precision).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError

_MAPPING_RATE = 0.01  # learning-rate multiplier of the mapping: its weights are kept a hundred times too large


class Affine(nn.Module):
    """Fully connected layer whose weights are kept at unit variance and scaled when used.

    Args:
        dim_in: length of the input.
        dim_out: length of the output.
        rate: learning-rate multiplier, a factor on weights and bias.
    """

    def __init__(self, dim_in: int, dim_out: int, rate: float = 1.0) -> None:
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.randn(dim_out, dim_in) / rate)
        self.bias = nn.Parameter(torch.zeros(dim_out))

    def forward(self, x: Tensor) -> Tensor:
        """(N, dim_in) -> (N, dim_out)."""
        return F.linear(x, self.weight * (self.rate / math.sqrt(self.weight.shape[1])), self.bias * self.rate)


def activated(x: Tensor) -> Tensor:
    """Leaky ReLU that keeps the variance."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


class MappingNetwork(nn.Module):
    """z -> w.

    Args:
        z_dim: length of z.
        dim: length of w.
        layers: how many.
    """

    w_avg: Tensor

    def __init__(self, z_dim: int, dim: int, layers: int) -> None:
        super().__init__()
        self.z_dim, self.dim, self.layers = z_dim, dim, layers
        for i in range(layers):
            self.add_module(f"fc{i}", Affine(dim if i else z_dim, dim, _MAPPING_RATE))
        self.register_buffer("w_avg", torch.zeros(dim))

    def forward(self, z: Tensor) -> Tensor:
        """(N, z_dim) standard normal -> (N, dim)."""
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for i in range(self.layers):
            x = activated(self.get_submodule(f"fc{i}")(x))
        return x


def mapping_of(state: Mapping[str, Tensor]) -> MappingNetwork | None:
    """A mapping of the sizes that ``state`` tells, its tensors yet to be loaded; None: it has none, or takes labels."""
    layers = sum(re.fullmatch(r"mapping\.fc\d+\.weight", name) is not None for name in state)
    first = state.get("mapping.fc0.weight")
    if first is None or first.ndim != 2 or "mapping.embed.weight" in state:
        return None
    dim, z_dim = first.shape
    return MappingNetwork(z_dim, dim, layers)


def modulated(
    x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool = True, double: Tensor | None = None
) -> Tensor:
    """Convolution whose input channels each sample scales by its own style (equations 1 and 3 of the paper).

    Args:
        x: (N, I, h, w).
        weight: (O, I, k, k), k odd.
        style: (N, I).
        demodulate: whether to bring every output channel back to unit variance.
        double: (4, 4) low-pass filter of sum 1 with which the sides are doubled; None: they stay.

    Returns:
        (N, O, h, w), or twice the sides.
    """
    y = x * style[:, :, None, None]
    if double is not None:
        channels = weight.shape[0]
        y = F.conv_transpose2d(y, weight.transpose(0, 1), stride=2)
        y = F.conv2d(F.pad(y, (1, 1, 1, 1)), (4 * double).expand(channels, 1, 4, 4), groups=channels)
    else:
        y = F.conv2d(y, weight, padding=weight.shape[2] // 2)
    if not demodulate:
        return y
    strength = style.square() @ weight.square().sum((2, 3)).T  # (N, O)
    return y * (strength + 1e-8).rsqrt()[:, :, None, None]


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, noise, bias, activation; first doubles the sides where ``up`` is set."""

    resample_filter: Tensor
    noise_const: Tensor

    def __init__(self, channels_in: int, channels_out: int, dim: int, side: int, *, up: bool = False) -> None:
        super().__init__()
        self.up = up
        self.affine = Affine(dim, channels_in)
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(side, side))
        self.register_buffer("resample_filter", low_pass())

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, channels_in, h, w) and (N, dim) -> (N, channels_out, side, side)."""
        style = self.affine(w)
        y = modulated(x, self.weight, style, double=self.resample_filter if self.up else None)
        return activated(y + self.noise_const * self.noise_strength + self.bias[:, None, None])


class ToRgb(nn.Module):
    """Modulated 1x1 convolution to colours, not demodulated."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.affine = Affine(dim, channels)
        self.weight = nn.Parameter(torch.randn(3, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, channels, h, w) and (N, dim) -> (N, 3, h, w)."""
        style = self.affine(w) / math.sqrt(self.weight.shape[1])
        return modulated(x, self.weight, style, demodulate=False) + self.bias[:, None, None]


class Block(nn.Module):
    """One side of the picture: two convolutions (one at 4x4, where a constant begins) and the colours they add."""

    resample_filter: Tensor

    def __init__(self, channels_in: int, channels_out: int, dim: int, side: int) -> None:
        super().__init__()
        self.first = side == 4
        if self.first:
            self.const = nn.Parameter(torch.randn(channels_out, 4, 4))
        else:
            self.conv0 = StyledConv(channels_in, channels_out, dim, side, up=True)
        self.conv1 = StyledConv(channels_out, channels_out, dim, side)
        self.torgb = ToRgb(channels_out, dim)
        self.register_buffer("resample_filter", low_pass())

    def forward(self, x: Tensor, image: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Maps and picture of half the side, and (N, dim) -> both at this side; at 4x4 what came before is not read."""
        x = self.const.expand(len(w), -1, -1, -1) if self.first else self.conv0(x, w)
        x = self.conv1(x, w)
        y = self.torgb(x, w)
        return x, y if self.first else y + doubled(image, self.resample_filter)


class SynthesisNetwork(nn.Module):
    """w -> picture.

    Args:
        dim: length of w.
        channels: at each side 4, 8, 16, ...
    """

    def __init__(self, dim: int, channels: Mapping[int, int]) -> None:
        super().__init__()
        self.sides = sorted(channels)
        for side in self.sides:
            self.add_module(f"b{side}", Block(channels.get(side // 2, 0), channels[side], dim, side))

    def forward(self, w: Tensor) -> Tensor:
        """(N, dim) -> (N, 3, side, side), in about [-1, 1]."""
        x = image = w
        for side in self.sides:
            x, image = self.get_submodule(f"b{side}")(x, image, w)
        return image


class StyleGan2(nn.Module):
    """z -> w -> picture; ``mapping`` and ``synthesis`` are used one by one.

    Args:
        state: tensors by name, as in the releases; only their shapes are read here.

    Raises:
        InputError: they are not those of a StyleGAN2 generator without labels.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        mapping = mapping_of(state)
        found = {int(m[1]): v for k, v in state.items() if (m := re.fullmatch(r"synthesis\.b(\d+)\.conv1\.weight", k))}
        sides = [4 << i for i in range(len(found))]
        if mapping is None or not sides or sorted(found) != sides:
            raise InputError(
                "These are not the weights of a StyleGAN2 generator without labels: mapping.fc0.weight and "
                f"synthesis.b4.conv1.weight, b8, b16 ... are needed, and there is {', '.join(list(state)[:3])} ...; "
                "save the state_dict of G_ema of NVIDIA's PyTorch release."
            )
        self.z_dim, self.dim, self.side = mapping.z_dim, mapping.dim, sides[-1]
        self.mapping = mapping
        self.synthesis = SynthesisNetwork(mapping.dim, {side: found[side].shape[0] for side in sides})


def low_pass() -> Tensor:
    """(4, 4) of sum 1: the filter [1, 3, 3, 1] along both sides."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return torch.outer(line, line)


def doubled(x: Tensor, kernel: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, C, 2h, 2w): zeros in between, then the low-pass filter (4, 4)."""
    channels = x.shape[1]
    return F.conv_transpose2d(x, (4 * kernel).expand(channels, 1, 4, 4), stride=2, padding=1, groups=channels)
