"""Washing pictures: each method takes off what it should and leaves the face."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.errors import InputError, NotApplicable
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.metrics.quality import psnr
from systems import SMALL_DIFFUSION, ToySystem, small

SOME = torch.arange(0, 90, 9)
DENOISE = {"denoise_layers": 4, "denoise_width": 12, "denoise_steps": 80, "denoise_lr": 5e-3}
DIFFUSE = SMALL_DIFFUSION | {"level_steps": 20}
METHODS = {
    "jpeg": {"quality": 80},
    "blur": {"squares": 3},
    "project": {},
    "diffuse": DIFFUSE,
    "resize": {},
    "denoise": DENOISE,
}


def washed(images: torch.Tensor, **settings: object) -> torch.Tensor:
    context = ToySystem("none").context(ATTACKS.get("purification").threat, Surface.IMAGE)
    attack = ATTACKS.get("purification")(small("purification") | settings).fit(context)
    found = attack.recover(images, torch.arange(len(images)), context).images
    assert found is not None
    return found


@pytest.mark.parametrize("method", METHODS)
def test_a_perturbation_is_reduced_more_than_the_face(method: str) -> None:
    plain = ToySystem("none").victims.resized(SOME, 32)
    signs = torch.randint(0, 2, plain.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    cloaked = (plain + 0.1 * signs).clamp(0, 1)
    before = (cloaked - plain).square().mean()
    clean, found = (washed(x, method=method, **METHODS[method]) for x in (plain, cloaked))
    assert (found - clean).square().mean() < 0.6 * before
    if method in ("jpeg", "blur", "resize", "denoise"):  # the others draw anew
        assert float(psnr(clean, plain).mean()) > 25


def test_more_noise_leaves_less_of_the_picture() -> None:
    plain = ToySystem("none").victims.resized(SOME, 32)
    near, far = (washed(plain, method="diffuse", **DIFFUSE, level=level) for level in (0.05, 0.9))
    assert float(psnr(near, plain).mean()) > float(psnr(far, plain).mean()) + 3
    with pytest.raises(InputError, match=r"level must lie in \(0, 1\], got 0\.0"):
        washed(plain, level=0.0)


def test_only_pictures_are_washed_and_settings_are_checked() -> None:
    with pytest.raises(NotApplicable, match="three channels"):
        washed(torch.zeros(2, 27, 16, 16))
    with pytest.raises(InputError, match=r"scale must lie in \(0, 1\), got 2"):
        washed(torch.zeros(2, 3, 16, 16), scale=2.0)
    with pytest.raises(InputError, match=r"quality must lie in 1\.\.95"):
        washed(torch.zeros(2, 3, 16, 16), quality=0)
