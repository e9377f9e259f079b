"""The generator of StyleGAN3, to run published weights: mapping z -> w, and the synthesis of a picture from w.

Karras et al., "Alias-Free Generative Adversarial Networks", NeurIPS 2021, configurations T (equivariant to translation)
and R (to rotation too), without labels. `alias_free.py` has their filters. Tensors have the names under which NVIDIA's
PyTorch release keeps them. Resolution, number of layers, widths and configuration are read off them; cutoffs follow
from these by the release's schedule. Everything is float32, and filters are plain convolutions: slow beside the
release's kernels, and the same numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from .alias_free import BOUND, CRITICAL, TAPS, Band, bands, filtered_activation, kaiser_low_pass
from .stylegan2 import Affine, mapping_of, modulated

_BRIGHTNESS = 0.25  # of the last layer's colours


class FourierInput(nn.Module):
    """Waves over the picture and its margin, turned and shifted as w says, and mixed.

    ``transform`` is the user's: (3, 3), from places in the picture to places in the waves, so the inverse of what
    happens to the picture; the picture reaches from -0.5 to 0.5 along x and y.

    Args:
        channels: how many waves.
        dim: length of w.
        band: of the waves.
    """

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(self, channels: int, dim: int, band: Band) -> None:
        super().__init__()
        self.band = band
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = Affine(dim, 4)
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", torch.randn(channels, 2))
        self.register_buffer("phases", torch.rand(channels) - 0.5)

    def forward(self, w: Tensor) -> Tensor:
        """(N, dim) -> (N, channels, size, size)."""
        own = self.affine(w)
        cos, sin, right, down = (own / own[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        # A place p goes to R (p' - shift), where p' = transform p.
        turn = torch.stack([cos, -sin, sin, cos], 1).unflatten(1, (2, 2))  # (N, 2, 2)
        shift = self.transform[:2, 2] - torch.stack([right, down], 1)  # (N, 2)
        freqs = self.freqs @ turn  # (N, C, 2)
        phases = self.phases + torch.einsum("nck,nk->nc", freqs, shift)
        freqs = freqs @ self.transform[:2, :2]
        # Waves that the user's transform makes too fine for the rate fade.
        room = self.band.rate / 2 - self.band.cutoff
        height = (1 - (freqs.norm(dim=2) - self.band.cutoff) / room).clamp(0, 1)  # (N, C)
        size = self.band.size
        place = (torch.arange(size, device=w.device) - (size - 1) / 2) / self.band.rate
        x, y = freqs[:, :, 0, None, None] * place, freqs[:, :, 1, None, None] * place[:, None]
        waves = height[:, :, None, None] * (2 * math.pi * (x + y + phases[:, :, None, None])).sin()
        return torch.einsum("oc,nchw->nohw", self.weight / math.sqrt(len(self.weight)), waves)


class SynthesisLayer(nn.Module):
    """Modulated convolution at the rate of what comes in, then the filtered leaky ReLU; or the colours, without it.

    Args:
        widths: channels that come in and go out.
        dim: length of w.
        before: band of what comes in.
        after: band of what goes out.
        kernel: side of the convolution, 1 or 3.
        radial: whether the filter before the rate is lowered is radial.
        colours: whether it is the last layer.
    """

    magnitude_ema: Tensor
    up_filter: Tensor
    down_filter: Tensor

    def __init__(
        self, widths: tuple[int, int], dim: int, before: Band, after: Band, *, kernel: int, radial: bool, colours: bool
    ) -> None:
        super().__init__()
        self.size, self.colours = after.size, colours
        self.affine = Affine(dim, widths[0])
        self.weight = nn.Parameter(torch.randn(widths[1], widths[0], kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(widths[1]))
        self.register_buffer("magnitude_ema", torch.ones(()))  # mean square of what came in while it was trained
        rate = 2 * max(before.rate, after.rate)
        self.factors = rate // before.rate, rate // after.rate
        if not colours:
            up, down = (TAPS * factor for factor in self.factors)
            self.register_buffer("up_filter", kaiser_low_pass(up, before, rate))
            self.register_buffer("down_filter", kaiser_low_pass(down, after, rate, radial=radial))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, channels_in, h, w) and (N, dim) -> (N, channels_out, size, size)."""
        style = self.affine(w)
        if self.colours:
            style = style / math.sqrt(self.weight.shape[1])
        grown = F.pad(x, (self.weight.shape[2] // 2,) * 4)  # the convolution may spread over the border
        y = modulated(grown, self.weight, style, demodulate=not self.colours) * self.magnitude_ema.rsqrt()
        y = y + self.bias[:, None, None]
        if self.colours:
            return y.clamp(-BOUND, BOUND)
        return filtered_activation(y, self.up_filter, self.down_filter, self.factors, self.size)


class SynthesisNetwork(nn.Module):
    """w -> picture.

    Args:
        dim: length of w.
        widths: channels of the waves, and behind each layer; the last are the colours.
        plan: bands of the layers.
        kernel: side of the convolutions: 3 in configuration T; 1 in R, whose filters are radial.
    """

    def __init__(self, dim: int, widths: Sequence[int], plan: Sequence[Band], kernel: int) -> None:
        super().__init__()
        self.input = FourierInput(widths[0], dim, plan[0])
        self.names = []
        last = len(plan) - 1
        for i, after in enumerate(plan):
            layer = SynthesisLayer(
                (widths[i], widths[i + 1]), dim, plan[max(i - 1, 0)], after, kernel=1 if i == last else kernel,
                radial=kernel == 1 and i < last - CRITICAL, colours=i == last,
            )  # fmt: skip
            self.names.append(f"L{i}_{after.size}_{widths[i + 1]}")
            self.add_module(self.names[-1], layer)

    def forward(self, w: Tensor) -> Tensor:
        """(N, dim) -> (N, 3, side, side), in about [-1, 1]."""
        x = self.input(w)
        for name in self.names:
            x = self.get_submodule(name)(x, w)
        return _BRIGHTNESS * x


class StyleGan3(nn.Module):
    """z -> w -> picture; ``mapping`` and ``synthesis`` are used one by one.

    Args:
        state: tensors by name, as in the release; shapes and filters are read here.

    Attributes:
        config: ``T`` or ``R``.

    Raises:
        InputError: they are not those of a StyleGAN3 generator without labels, or it has another schedule.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        mapping, shape = mapping_of(state), _shape(state)
        if mapping is None or shape is None:
            raise InputError(
                "These are not the weights of a StyleGAN3 generator of colour pictures without labels: "
                "mapping.fc0.weight, synthesis.input.weight and the weights of synthesis.L0_..., L1_... to the colours "
                f"are needed, and there is {', '.join(list(state)[:3])} ...; save the state_dict of G_ema of NVIDIA's "
                "release."
            )
        sizes, widths, kernel = shape
        self.z_dim, self.dim, self.side = mapping.z_dim, mapping.dim, sizes[-1]
        self.config = "R" if kernel == 1 else "T"
        layers = len(sizes) - 1
        plan = bands(self.side, layers)
        if [band.size for band in plan] != sizes:
            raise InputError(_other_schedule(self.side, layers, f"maps of {sizes}", f"{[b.size for b in plan]}"))
        self.mapping = mapping
        self.synthesis = SynthesisNetwork(mapping.dim, widths, plan, kernel)
        filters = {name: own for name, own in self.named_buffers() if name.endswith("_filter")}
        for name, own in filters.items():
            kept = state.get(name, own)
            if kept.shape == own.shape and not torch.allclose(kept.float(), own, atol=1e-4):
                raise InputError(_other_schedule(self.side, layers, f"another {name}", "that of the release"))


def _shape(state: Mapping[str, Tensor]) -> tuple[list[int], list[int], int] | None:
    """Sizes of the maps behind each layer; channels of the waves and behind each layer; side of the first convolution.

    None: not all layers to the colours are there.
    """
    waves, pattern = state.get("synthesis.input.weight"), re.compile(r"synthesis\.L(\d+)_([1-9]\d*)_\d+\.weight")
    found = {int(m[1]): (int(m[2]), v.shape) for k, v in state.items() if v.ndim == 4 and (m := pattern.fullmatch(k))}
    layers = len(found) - 1
    if waves is None or layers <= CRITICAL or sorted(found) != list(range(layers + 1)) or found[layers][1][0] != 3:
        return None
    sizes, shapes = zip(*(found[i] for i in range(layers + 1)), strict=True)
    return list(sizes), [len(waves), *(shape[0] for shape in shapes)], shapes[0][2]


def _other_schedule(side: int, layers: int, seen: str, expected: str) -> str:
    return (
        f"This StyleGAN3 generator of {side} pixels and {layers} layers has {seen} instead of {expected}: it was "
        "trained with other cutoffs, margins or critical layers than the release's, which its state does not tell."
    )
