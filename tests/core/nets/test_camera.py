"""The camera: Zernike polynomials, glass and diffraction against textbooks; convolution against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from faceleak.bench.core.nets.camera import (
    DIAMETER,
    DISTANCE,
    PIXEL,
    WAVELENGTHS,
    Lens,
    convolved,
    folded,
    index_difference,
    off_centre,
    outside,
    zernike,
)
from scipy.special import j1


def disc(side: int = 401) -> tuple[torch.Tensor, torch.Tensor]:
    steps = torch.linspace(-1, 1, side, dtype=torch.float64)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    inside = torch.hypot(x, y) <= 1
    return x[inside], y[inside]


def test_zernike_polynomials_are_orthonormal_on_the_disc() -> None:
    x, y = disc()
    terms = torch.stack([zernike(j, x, y) for j in range(1, 37)])
    assert (terms @ terms.T / len(x) - torch.eye(36)).abs().max() < 0.01


def test_the_first_zernike_polynomials_are_noll_s_table() -> None:
    x, y = disc(41)
    rho, theta = torch.hypot(x, y), torch.atan2(y, x)
    table = {
        1: torch.ones_like(x),
        2: 2 * x,
        3: 2 * y,
        4: math.sqrt(3) * (2 * rho**2 - 1),
        5: math.sqrt(6) * rho**2 * torch.sin(2 * theta),
        6: math.sqrt(6) * rho**2 * torch.cos(2 * theta),
        7: math.sqrt(8) * (3 * rho**3 - 2 * rho) * torch.sin(theta),
        8: math.sqrt(8) * (3 * rho**3 - 2 * rho) * torch.cos(theta),
        9: math.sqrt(8) * rho**3 * torch.sin(3 * theta),
        10: math.sqrt(8) * rho**3 * torch.cos(3 * theta),
        11: math.sqrt(5) * (6 * rho**4 - 6 * rho**2 + 1),
    }
    for j, known in table.items():
        assert torch.allclose(zernike(j, x, y), known, atol=1e-12), j


def test_the_glass_is_bk7() -> None:
    assert index_difference(587.56e-9) + 1 == pytest.approx(1.5168, abs=4e-4)  # n_d of the data sheet, in air
    assert index_difference(440e-9) > index_difference(640e-9), "blue is bent more"


def test_a_flat_lens_shows_airy_s_discs() -> None:
    psf = Lens(6, 32)().detach().double()
    steps = np.arange(-32, 32)
    r = np.hypot(steps[:, None], steps[None, :])
    for found, wavelength in zip(psf, WAVELENGTHS):
        v = np.maximum(math.pi * DIAMETER * PIXEL / (wavelength * DISTANCE) * r, 1e-9)
        airy = (2 * j1(v) / v) ** 2
        assert np.abs(found.numpy() / found.max().item() - airy)[r < 8].max() < 0.03
    assert psf.sum((1, 2)).allclose(torch.ones(3, dtype=torch.float64), atol=1e-5)
    assert off_centre(psf) < 1e-3


def test_the_lens_learns_by_gradient() -> None:
    lens = Lens(10, 16)
    lens.beta.data.uniform_(-0.2, 0.2, generator=torch.Generator().manual_seed(0))
    assert outside(lens(), 4) > 2 * outside(Lens(10, 16)(), 4), "aberrations spread the light"
    (outside(lens(), 4) + off_centre(lens())).backward()
    step = 1e-3
    for j in (0, 4):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                moved = Lens(10, 16)
                moved.beta.copy_(lens.beta)
                moved.beta[j] += sign * step
                values.append(float(outside(moved(), 4) + off_centre(moved())))
        assert lens.beta.grad[j].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=0.02, abs=1e-3)


def test_half_precision_leaves_the_lens_alone() -> None:
    lens = Lens(10, 16)
    lens.beta.data.uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        half = lens()
    assert half.equal(lens())


def test_what_lies_outside_counts_as_outside() -> None:
    psf = torch.zeros(3, 16, 16)
    psf[:, 8, 8], psf[:, 8, 13] = 0.5, 0.5
    assert outside(psf, 4).item() == pytest.approx(math.sqrt(3) * 0.5)
    assert outside(psf, 5).item() == 0
    assert off_centre(psf).item() == pytest.approx(2.5**2)


def test_convolution_wraps_about_the_edges() -> None:
    generator = torch.Generator().manual_seed(0)
    images, psf = (torch.rand(shape, generator=generator) for shape in ((2, 3, 6, 6), (3, 12, 12)))
    expected = sum(
        psf[:, y, x, None, None] * images.roll((y - 6, x - 6), dims=(2, 3)) for y in range(12) for x in range(12)
    )
    assert torch.allclose(convolved(images, folded(psf)), torch.as_tensor(expected), atol=1e-4)
