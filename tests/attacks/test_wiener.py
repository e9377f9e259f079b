"""Wiener deconvolution: exact where nothing was lost, else scikit-image's answer; refused where there is no lens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from faceleak.attacks.wiener import WienerDeconvolution, wiener
from faceleak.bench.core.errors import InputError, NotApplicable
from faceleak.bench.core.nets.camera import convolved
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.threat import DefenseKnowledge, ThreatModel
from faceleak.bench.metrics.quality import psnr
from skimage import restoration
from systems import ToySystem

VICTIMS = torch.arange(0, 90, 6)
K2 = ThreatModel(defense=DefenseKnowledge.K2)


def blur(side: int, sigma: float = 1.2) -> torch.Tensor:
    """(3, side, side) a Gaussian with its middle at (0, 0)."""
    steps = torch.fft.fftfreq(side) * side
    one = torch.exp(-0.5 * (steps / sigma).square())
    return (torch.outer(one, one) / one.sum() ** 2).expand(3, -1, -1)


def deconvolved(captures: torch.Tensor, kernel: torch.Tensor, ratio: float) -> torch.Tensor:
    return torch.fft.irfft2(torch.fft.rfft2(captures) * wiener(kernel, torch.tensor(ratio)), s=captures.shape[-2:])


def test_without_noise_the_picture_comes_back() -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    kernel = blur(32, 0.8).double()
    captures = torch.fft.irfft2(torch.fft.rfft2(images) * torch.fft.rfft2(kernel), s=(32, 32))
    assert psnr(captures.clamp(0, 1), images).max() < 15
    assert psnr(deconvolved(captures, kernel, 1e-9).clamp(0, 1), images).min() > 50


def test_the_filter_is_scikit_image_s() -> None:
    images, kernel = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)), blur(32)
    captures = convolved(images, kernel)
    middle = torch.fft.fftshift(kernel[0]).numpy()
    expected = restoration.wiener(captures[0, 0].numpy(), middle, 0.01, reg=np.ones((1, 1)), clip=False)
    assert np.abs(deconvolved(captures, kernel, 0.01)[0, 0].numpy() - expected).max() < 1e-4


def attacked(settings: dict[str, Any], defense: str = "optics", threat: ThreatModel = K2) -> torch.Tensor:
    system = ToySystem(defense)
    leak = system.deployed_leak(VICTIMS, Surface.IMAGE, "victims")
    context = system.context(threat, Surface.IMAGE)
    attack = WienerDeconvolution(settings).fit(context)
    found = attack.recover(leak, VICTIMS, context).images
    assert found is not None
    return found


def test_a_known_lens_is_undone() -> None:
    system = ToySystem("optics")
    truth, leak = system.victims.images(VICTIMS), system.deployed_leak(VICTIMS, Surface.IMAGE, "victims")
    by_spectrum, by_number = (psnr(attacked(one), truth).mean() for one in ({}, {"noise_to_signal": 1e-3}))
    assert by_spectrum > psnr(leak, truth).mean() + 1
    assert by_spectrum > by_number - 0.2, "the pictures' own spectrum is the better guess"


def test_without_a_lens_there_is_nothing_to_do() -> None:
    with pytest.raises(NotApplicable, match="undoes lenses, and low-pass has none"):
        attacked({}, "low-pass")
    with pytest.raises(NotApplicable, match=r"a lens that is known \(K2\), and here there is none"):
        attacked({}, "none", ThreatModel())
    with pytest.raises(InputError, match=r"noise must not be negative, got -1\.0"):
        attacked({"noise": -1})
