"""PSNR and SSIM against skimage, their properties, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.ssim import ssim_map
from faceleak.bench.metrics.quality import PSNR_CAP, psnr, ssim
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

seeds = st.integers(0, 10_000)
quick = settings(max_examples=15, deadline=None)


def images(seed: int, n: int = 3, side: int = 24) -> torch.Tensor:
    return torch.rand(n, 3, side, side + 5, generator=torch.Generator().manual_seed(seed))


def noisy(x: torch.Tensor, sigma: float) -> torch.Tensor:
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    return (x * 0.4 + 0.3 + sigma * noise).clamp(0, 1)


@pytest.mark.parametrize("sigma", [0.0, 0.01, 0.1, 0.5])
def test_ssim_equals_skimage(sigma: float) -> None:
    x, y = noisy(images(0), 0), noisy(images(0), sigma)
    expected = [
        structural_similarity(
            a.numpy().transpose(1, 2, 0).astype(np.float64),
            b.numpy().transpose(1, 2, 0).astype(np.float64),
            gaussian_weights=True,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=2,
        )
        for a, b in zip(x, y)
    ]
    np.testing.assert_allclose(ssim(x, y).numpy(), expected, atol=1e-6)


def test_psnr_equals_skimage_per_image_and_does_not_pool() -> None:
    x, y = images(0), images(1)
    y[0] = (x[0] + 0.01 * y[0]).clamp(0, 1)
    expected = [peak_signal_noise_ratio(a.double().numpy(), b.double().numpy(), data_range=1) for a, b in zip(x, y)]
    np.testing.assert_allclose(psnr(x, y).numpy(), expected, rtol=1e-9)
    pooled = -10 * (x - y).square().mean().log10()
    assert psnr(x, y).mean() > pooled + 1


def test_known_psnr_and_cap() -> None:
    x = torch.full((1, 3, 16, 16), 0.5)
    assert psnr(x, x).item() == pytest.approx(PSNR_CAP)
    assert psnr(x, x + 0.1).item() == pytest.approx(20, abs=1e-4)


@quick
@given(seeds, seeds)
def test_ssim_identity_range_and_symmetry(i: int, j: int) -> None:
    x, y = images(i), images(j)
    torch.testing.assert_close(ssim(x, x), torch.ones(3, dtype=torch.float64))
    value = ssim(x, y)
    assert bool(((value >= -1) & (value <= 1)).all())
    torch.testing.assert_close(value, ssim(y, x))
    torch.testing.assert_close(psnr(x, y), psnr(y, x))


@quick
@given(seeds)
def test_growing_noise_lowers_psnr(seed: int) -> None:
    x = images(seed)
    values = torch.stack([psnr(noisy(x, 0), noisy(x, s)) for s in (0.0, 0.02, 0.05, 0.1, 0.3)])
    assert bool((values.diff(dim=0) < 0).all())


def test_values_do_not_depend_on_the_batch() -> None:
    x, y = images(0, n=70, side=12), images(1, n=70, side=12)
    torch.testing.assert_close(ssim(x, y)[69:], ssim(x[69:], y[69:]))
    assert ssim(x, y).shape == psnr(x, y).shape == (70,)


def test_ssim_map_has_gradients_and_raises_half_precision() -> None:
    x = noisy(images(0), 0.1).requires_grad_()
    (1 - ssim_map(x, images(1)).mean()).backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())
    assert float(x.grad.abs().sum()) > 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ssim_map(images(0), images(1)).dtype == torch.float32


def test_ssim_map_gradient_is_the_numerical_one() -> None:
    x, y = images(0, 1, 12).double()[..., :12], images(1, 1, 12).double()[..., :12]
    assert torch.autograd.gradcheck(lambda a: ssim_map(a, y).mean(), (x.requires_grad_(),))


@pytest.mark.parametrize("measure", [psnr, ssim])
@pytest.mark.parametrize(
    "bad",
    [
        torch.rand(2, 3, 16, 16) * 2 - 1,
        torch.rand(2, 3, 16, 16) * 255,
        torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8),
        torch.rand(2, 1, 16, 16),
        torch.rand(3, 16, 16),
        torch.full((2, 3, 16, 16), float("nan")),
    ],
    ids=["signed", "0..255", "uint8", "gray", "3-d", "nan"],
)
def test_what_is_no_image_is_refused(measure: object, bad: torch.Tensor) -> None:
    good = torch.rand(2, 3, 16, 16)
    for pair in ((bad, good), (good, bad)):
        with pytest.raises(InputError):
            measure(*pair)  # type: ignore[operator]


def test_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="one shape"):
        psnr(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 15))
    with pytest.raises(InputError, match="11"):
        ssim(torch.rand(1, 3, 10, 16), torch.rand(1, 3, 10, 16))
    with pytest.raises(InputError):
        ssim_map(torch.rand(1, 3, 10, 16), torch.rand(1, 3, 10, 16))
