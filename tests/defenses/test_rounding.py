"""Whoever rounds to levels must not let batch mates decide on which side of a step a value falls."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.leaks import leak_take
from faceleak.bench.core.levels import rounded, to_levels
from faceleak.bench.core.surfaces import Surface
from systems import ToySystem

SOME = torch.arange(12)
ROUNDING = [  # trained for a moment: rounding has nothing to do with how well
    ("pro-face-s", {"steps": 2}, Surface.IMAGE, 8),
    ("ldp-slicing", {"server_steps": 2}, Surface.WIRE, 8),
    ("minusface", {"bits": 8, "steps": 2, "server_steps": 2}, Surface.WIRE, 8),
]


@pytest.fixture
def other_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose kernels round by batch size, a hundred times as coarsely as real ones, so that every run shows it."""

    def by_rows(kernel):  # type: ignore[no-untyped-def]
        def kernel_of_batch(*args, **options):  # type: ignore[no-untyped-def]
            out = kernel(*args, **options)
            return out * (1 + 1e-5 * len(out)) if out.ndim == 4 and out.is_floating_point() else out

        return kernel_of_batch

    for owner, name in ((F, "conv2d"), (torch, "einsum"), (torch.Tensor, "__matmul__")):
        monkeypatch.setattr(owner, name, by_rows(getattr(owner, name)))


@pytest.mark.parametrize(("name", "settings", "surface", "bits"), ROUNDING)
def test_a_rounded_picture_of_a_batch_is_that_of_one(
    name: str, settings: dict[str, int], surface: Surface, bits: int, request: pytest.FixtureRequest
) -> None:
    system = ToySystem(name, settings)  # before the processor changes: fits are shared by all tests
    request.getfixturevalue("other_processor")
    whole = system.deployed_leak(SOME, surface)
    assert isinstance(whole, torch.Tensor)
    assert torch.equal(to_levels(whole, bits), whole), "levels"
    for part in (slice(0, 1), slice(5, 12)):
        assert torch.equal(leak_take(whole, part), system.deployed_leak(SOME[part], surface))  # type: ignore[arg-type]


def test_rounded_takes_each_row_alone_with_its_own_others() -> None:
    x, shift = torch.rand(5, 2, generator=torch.Generator().manual_seed(0)), torch.arange(5.0)[:, None] / 5
    seen: list[int] = []

    def make(row: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        seen.append(len(row))
        return row - own

    out = rounded(make, x, shift, bits=2)
    assert seen == [1] * 5
    assert torch.equal(out, ((x - shift).clamp(0, 1) * 3).round() / 3)
    assert rounded(make, x[:0], shift[:0]).shape == (0, 2)


def test_rounded_keeps_its_digits_under_autocast() -> None:
    x, w = torch.rand(3, 8, generator=torch.Generator().manual_seed(1)), torch.eye(8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(rounded(lambda row: row @ w, x, bits=16), to_levels(x, 16))
