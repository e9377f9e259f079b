"""Margin heads against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from faceleak.bench.core.nets.margin import MarginHead, arcface, cosface, ramped

LABEL = torch.tensor([0])


def test_arcface_by_hand() -> None:
    cos = torch.tensor([[0.5, 0.2]])  # theta = 60 degrees
    seen = arcface(cos, LABEL, math.pi / 6)
    assert torch.allclose(seen, torch.tensor([[0.0, 0.2]]), atol=1e-6)  # cos 90 degrees; others untouched


def test_arcface_fallback_by_hand() -> None:
    m = 0.3
    cos = torch.tensor([[-0.99, 0.2]])  # theta = 171.9 degrees, past pi - m = 162.8
    assert torch.allclose(arcface(cos, LABEL, m)[0, 0], torch.tensor(-0.99 - m * math.sin(m)), atol=1e-6)


def test_arcface_falls_with_theta() -> None:
    theta = torch.linspace(0.01, math.pi - 0.01, 500)
    cos = theta.cos()[:, None]
    margin = arcface(cos, torch.zeros(500, dtype=torch.int64), 0.5)[:, 0]
    assert bool((margin.diff() < 0).all())


def test_cosface_by_hand() -> None:
    assert torch.allclose(cosface(torch.tensor([[0.5, 0.2]]), LABEL, 0.35), torch.tensor([[0.15, 0.2]]))


@pytest.mark.parametrize("margin", [arcface, cosface])
@pytest.mark.parametrize("value", [1.0, -1.0, 1.0000001, -1.0000001, 0.0])
def test_finite_at_the_ends(margin: type, value: float) -> None:
    cos = torch.tensor([[value, 0.1]], requires_grad=True)
    seen = margin(cos, LABEL, 0.3)
    seen.sum().backward()
    assert bool(torch.isfinite(seen).all())
    assert cos.grad is not None
    assert bool(torch.isfinite(cos.grad).all())


def test_no_margin_is_plain_softmax() -> None:
    head = MarginHead(5, 4, "arcface", 10.0, torch.Generator().manual_seed(0))
    z = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 3, 4])
    cos = torch.nn.functional.normalize(z) @ torch.nn.functional.normalize(head.centres).T
    expected = torch.nn.functional.cross_entropy(10 * cos, labels)
    assert torch.allclose(head(z, labels, 0.0), expected, atol=1e-5)
    assert bool(head(z, labels, 0.3) > expected)
    assert torch.allclose(head(7 * z, labels, 0.3), head(z, labels, 0.3), atol=1e-5)  # norms do not count


def test_embedding_on_its_own_centre_has_a_finite_gradient() -> None:
    head = MarginHead(5, 4, "arcface", 32.0)
    z = head.centres.detach()[:1].clone().requires_grad_()
    head(z, LABEL, 0.5).backward()
    assert z.grad is not None
    assert bool(torch.isfinite(z.grad).all())


def test_ramp() -> None:
    assert [ramped(0.3, p) for p in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([0.1, 0.2, 0.3, 0.3])
    assert ramped(0.05, 0.0) == 0.05  # never starts above its end
