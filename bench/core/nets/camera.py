"""A differentiable camera: a lens whose surface is a sum of Zernike polynomials, and what its sensor sees through it.

The lens is thin and in focus, so that its pupil only changes phases (Fourier optics, Goodman, chapter 6):
  h(u) = sum_j beta_j Z_j(u) 1e-6 m,        the height of the surface over the unit disc
  P_w(u) = [|u| <= 1] exp(i 2 pi / w dn(w) h(u)),        w the wavelength, dn the glass's refractive index less air's
  PSF_w = |FFT P_w|^2 / sum,        and the capture of colour w is the picture convolved with PSF_w.
Z_j are Noll's (J. Opt. Soc. Am. 66, 1976): orthonormal on the disc, from j = 1; 1 is constant, 2 and 3 are tilts.
dn follows Sellmeier's equation for Schott's N-BK7. One cell of the sensor is one pixel of the picture, at every
wavelength: the disc fills D p M / (w z) cells of a pupil plane of M cells a side, D the lens's diameter, p the pixel's
side, z the sensor's distance. The plane is twice as wide as the picture, which is the zero-padding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..precision import exactly

WAVELENGTHS = (640e-9, 550e-9, 440e-9)  # m; red, green, blue
DIAMETER = 4e-3  # m
DISTANCE = 50e-3  # m, lens to sensor
PIXEL = 3.713e-6  # m
FIRST = 4  # of the coefficients that may be learnt: 1 does nothing, 2 and 3 only shift the picture
# Sellmeier's coefficients of N-BK7 (Schott's data sheet); wavelengths in micrometres.
_B = (1.03961212, 0.231792344, 1.01046945)
_C = (0.00600069867, 0.0200179144, 103.560653)
_AIR = 1.000277


def noll(j: int) -> tuple[int, int]:
    """Noll's number, from 1 -> radial order n, azimuthal order m; the sine terms have m < 0.

    >>> [noll(j) for j in (1, 2, 3, 4, 5, 6, 7, 8, 11)]
    [(0, 0), (1, 1), (1, -1), (2, 0), (2, -2), (2, 2), (3, -1), (3, 1), (4, 0)]
    """
    n = 0
    while j > (n + 1) * (n + 2) // 2:
        n += 1
    place = j - n * (n + 1) // 2  # 1 .. n + 1 within the order
    m = 2 * (place // 2) if n % 2 == 0 else 2 * ((place - 1) // 2) + 1
    return n, m if j % 2 == 0 else -m


def zernike(j: int, x: Tensor, y: Tensor) -> Tensor:
    """Noll's polynomial of number ``j`` at the points (x, y), in any shape; meant for the unit disc.

    The mean of Z_i Z_j over the disc is 1 where i = j, else 0.
    """
    n, m = noll(j)
    rho, theta = torch.hypot(x, y), torch.atan2(y, x)
    radial = torch.zeros_like(rho)
    for k in range((n - abs(m)) // 2 + 1):
        above = math.factorial(k) * math.factorial((n + abs(m)) // 2 - k) * math.factorial((n - abs(m)) // 2 - k)
        radial = radial + (-1) ** k * math.factorial(n - k) / above * rho ** (n - 2 * k)
    if m == 0:
        return math.sqrt(n + 1) * radial
    turn = torch.cos(m * theta) if m > 0 else torch.sin(-m * theta)
    return math.sqrt(2 * (n + 1)) * radial * turn


def index_difference(wavelength: float) -> float:
    """Refractive index of the glass less that of air, at a wavelength in metres."""
    square = (wavelength * 1e6) ** 2
    return math.sqrt(1 + sum(b * square / (square - c) for b, c in zip(_B, _C, strict=True))) - _AIR


class Lens(nn.Module):
    """Coefficients -> what each colour of a point of light becomes on the sensor.

    Args:
        terms: J, how many Zernike polynomials; those from ``FIRST`` on are learnt.
        side: of the pictures, pixels.
    """

    shapes: Tensor
    inside: Tensor

    def __init__(self, terms: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.beta = nn.Parameter(torch.zeros(terms - FIRST + 1))  # micrometres
        cells = torch.arange(2 * side, dtype=torch.float64) - side
        shapes, inside = [], []
        for wavelength in WAVELENGTHS:
            radius = DIAMETER * PIXEL * side / (wavelength * DISTANCE)  # cells
            y, x = torch.meshgrid(cells / radius, cells / radius, indexing="ij")
            disc = torch.hypot(x, y) <= 1
            per_height = 2 * math.pi / wavelength * index_difference(wavelength) * 1e-6  # radians per micrometre
            shapes.append(torch.stack([zernike(j, x, y) * disc for j in range(FIRST, terms + 1)]) * per_height)
            inside.append(disc)
        self.register_buffer("shapes", torch.stack(shapes).float(), persistent=False)  # (3, J - 3, 2s, 2s)
        self.register_buffer("inside", torch.stack(inside).float(), persistent=False)

    def forward(self) -> Tensor:
        """(3, 2 side, 2 side), each colour of sum 1, the middle at (side, side)."""
        with exactly(self.beta.device):  # a phase of many turns has no digit to lose
            phase = torch.einsum("j,cjyx->cyx", self.beta, self.shapes)
        field = torch.polar(self.inside, phase)
        spread: Tensor = torch.fft.fftshift(torch.fft.fft2(field), dim=(1, 2)).abs().square()
        return spread / spread.sum((1, 2), keepdim=True)


def folded(psf: Tensor) -> Tensor:
    """(3, 2s, 2s) with its middle at (s, s) -> (3, s, s) with its middle at (0, 0), what lies outside wrapped about.

    With such a kernel a convolution that wraps about the edges is one product of Fourier transforms.
    """
    side = psf.shape[-1] // 2
    return psf.unflatten(2, (2, side)).unflatten(1, (2, side)).sum((1, 3))


def convolved(images: Tensor, kernel: Tensor) -> Tensor:
    """(N, 3, s, s) pictures, each colour convolved with its (3, s, s) kernel, wrapping about the edges."""
    size = images.shape[-2:]
    return torch.fft.irfft2(torch.fft.rfft2(images.float()) * torch.fft.rfft2(kernel), s=size)


def outside(psf: Tensor, radius: float) -> Tensor:
    """|| rho PSF ||_F with rho = 1 farther than ``radius`` pixels from the middle: light that goes astray."""
    return psf[:, _distance(psf) > radius].norm()


def off_centre(psf: Tensor) -> Tensor:
    """Mean squared distance, in pixels, of each colour's centre of mass from the middle."""
    side = psf.shape[-1] // 2
    steps = torch.arange(-side, side, dtype=psf.dtype, device=psf.device)
    y, x = (psf.sum(2) * steps).sum(1), (psf.sum(1) * steps).sum(1)
    return (x.square() + y.square()).mean()


def _distance(psf: Tensor) -> Tensor:
    side = psf.shape[-1] // 2
    steps = torch.arange(-side, side, device=psf.device).float()
    return torch.hypot(steps[:, None], steps[None, :])
