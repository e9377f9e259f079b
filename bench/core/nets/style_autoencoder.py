"""A style-modulated autoencoder of faces: picture -> detail codes W+ and a base code F -> picture.

The generator is StyleGAN2's (modulated convolutions, skipped colours, ``stylegan2.py``) from a constant of size / 16 to
the picture, in nine styled convolutions of which each reads a style of its own: the space W+ (Abdal et al., ICCV 2019).
The base code stands in the place of the map that the first three convolutions would make at size / 8, and the other six
styles are the details (F/W+ of BDInvert, Kang et al., ICCV 2021). Beside a generator of the web's faces it is tiny, and
there is no mapping network: what W+ looks like is counted on the encoded train pictures.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from .resnet import SMALL, ResNet
from .ssim import ssim_map
from .stylegan2 import StyledConv, ToRgb, doubled, low_pass

LAYERS = 9  # styles of one picture
BASE_LAYERS = 3  # the first of them, which the base code replaces


class StyleGenerator(nn.Module):
    """Styles, and maybe a base code -> picture.

    Args:
        size: side of the picture, a multiple of 16.
        dim: length of a style.
        width: channels up to size / 4, a half of them at size / 2, a quarter at the end.
    """

    filter: Tensor

    def __init__(self, size: int, dim: int, width: int) -> None:
        super().__init__()
        start = size // 16
        widths = (width, width, width, width // 2, max(8, width // 4))
        self.const = nn.Parameter(torch.randn(width, start, start))
        self.convs = nn.ModuleList([StyledConv(width, width, dim, start)])
        self.colours = nn.ModuleList()  # from size / 8 on
        for i in range(1, len(widths)):
            side = start << i
            self.convs.append(StyledConv(widths[i - 1], widths[i], dim, side, up=True))
            self.convs.append(StyledConv(widths[i], widths[i], dim, side))
            self.colours.append(ToRgb(widths[i], dim))
        for layer in (*self.convs, *self.colours):
            nn.init.ones_(layer.affine.bias)  # type: ignore[union-attr,arg-type]  # a style of 0 changes nothing
        self.register_buffer("filter", low_pass())

    def base(self, w: Tensor) -> Tensor:
        """(N, 9, dim) -> (N, width, size / 8, size / 8): the base code that the first three styles make."""
        x = self.const.expand(len(w), -1, -1, -1)
        for i in range(BASE_LAYERS):
            x = self.convs[i](x, w[:, i])
        return x

    def details(self, base: Tensor, w: Tensor) -> Tensor:
        """Base code (N, width, size / 8, size / 8) and (N, 9, dim), of which six count -> (N, 3, size, size) in (0, 1).

        As in StyleGAN2, the colours of a side read the style of the next convolution.
        """
        x, image = base, self.colours[0](base, w[:, BASE_LAYERS])
        for i, colour in enumerate(list(self.colours)[1:]):
            at = BASE_LAYERS + 2 * i
            x = self.convs[at + 1](self.convs[at](x, w[:, at]), w[:, at + 1])
            image = doubled(image, self.filter) + colour(x, w[:, min(at + 2, LAYERS - 1)])
        return image.sigmoid()  # type: ignore[no-any-return]

    def forward(self, w: Tensor) -> Tensor:
        """(N, 9, dim) -> (N, 3, size, size) in (0, 1)."""
        return self.details(self.base(w), w)


class StyleAutoencoder(nn.Module):
    """Both ways; arguments as in ``StyleGenerator``.

    Attributes:
        mean: (9, dim) of W+ over the train pictures, once ``count`` was called.
        whitener: (9, dim, dim) turns the styles of each layer, less the mean, into uncorrelated ones of unit variance.

    Raises:
        InputError: the size is not a multiple of 16.
    """

    mean: Tensor
    whitener: Tensor

    def __init__(self, size: int, dim: int, width: int) -> None:
        super().__init__()
        if size < 32 or size % 16:
            raise InputError(f"A style autoencoder works at multiples of 16 from 32 pixels on, got {size}.")
        self.size, self.dim = size, dim
        self.encoder = ResNet(dim=LAYERS * dim, widths=SMALL)  # its third stage sees size / 8
        self.encoder.head.norm.requires_grad_(False)  # W+ keeps unit variance, which the rates of searches rest on
        self.to_base = nn.Sequential(nn.Conv2d(SMALL[2], width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 1))
        self.generator = StyleGenerator(size, dim, width)
        self.register_buffer("mean", torch.zeros(LAYERS, dim))
        self.register_buffer("whitener", torch.eye(dim).repeat(LAYERS, 1, 1))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, size, size) in [0, 1] -> styles (N, 9, dim) and base code (N, width, size / 8, size / 8)."""
        e = self.encoder
        x = e.body[:3](e.stem(2 * images - 1))
        return e.head(e.body[3:](x)).unflatten(1, (LAYERS, self.dim)), self.to_base(x)

    def loss(self, images: Tensor, with_base: Tensor) -> Tensor:
        """Scalar: mean |y - x| + 0.3 (1 - SSIM), y from styles alone or, where ``with_base`` (B,) says so, with F."""
        w, f = self.encode(images)
        y = self.generator.details(torch.where(with_base[:, None, None, None], f, self.generator.base(w)), w)
        value: Tensor = (y - images).abs().mean() + 0.3 * (1 - ssim_map(y, images).mean())
        return value

    @torch.no_grad()
    def count(self, w: Tensor) -> None:
        """Set ``mean`` and ``whitener`` from (n, 9, dim) encoded pictures."""
        apart = (w - w.mean(0)).double().transpose(0, 1)  # (9, n, dim)
        # A hundredth of the mean variance: with few pictures, directions without any would count without bounds.
        covariance = apart.transpose(1, 2) @ apart / len(w)
        slack = 0.01 * covariance.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] + 1e-8
        lower = torch.linalg.cholesky(covariance + slack * torch.eye(self.dim).to(covariance))
        self.mean.copy_(w.mean(0))
        self.whitener.copy_(torch.linalg.inv(lower))

    def unlikely(self, w: Tensor) -> Tensor:
        """(N, 9, dim) -> (N,): mean P(w)^2, how far from the styles of faces these lie, in their spread; about 1."""
        whitened = torch.einsum("lij,nlj->nli", self.whitener, w - self.mean)
        return whitened.square().mean((1, 2))

    def apart(self, x: Tensor, y: Tensor) -> Tensor:
        """(N, 3, size, size) twice -> (N,): distance of the encoder's early maps, channels of unit norm as in LPIPS."""
        e, total = self.encoder, x.new_zeros(len(x))
        x, y = e.stem(2 * x - 1), e.stem(2 * y - 1)
        for stage in e.body[:2]:
            x, y = stage(x), stage(y)
            total = total + (F.normalize(x, dim=1) - F.normalize(y, dim=1)).square().sum(1).mean((1, 2))
        return total
