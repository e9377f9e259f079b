"""Editors and their critic."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from faceleak.bench.core.nets.editor import Critic, Editor, Kind
from faceleak.bench.core.seeding import Rng
from torch import nn

KINDS = get_args(Kind)
X = Rng(0, "pictures").uniform(torch.arange(3), (3, 16, 32))
WANTED = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])


def editor(kind: Kind) -> Editor:
    with Rng(0, "editor").seeds_torch():
        return Editor(kind, 2, 4, 1)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_come_out_each_on_its_own(kind: Kind) -> None:
    net = editor(kind)
    y, middle = net.edit(X, WANTED)
    assert y.shape == X.shape
    assert middle.shape == (3, 16, 4, 8)
    assert float(y.min()) >= 0
    assert float(y.max()) <= 1
    assert torch.allclose(net(X[1:2], WANTED[1:2]), y[1:2], atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wanted_reaches_the_picture(kind: Kind) -> None:
    """Behind norms that take out what is the same everywhere."""
    net = editor(kind)
    inner = (slice(None), slice(None), slice(6, 10), slice(6, 26))  # borders see the label through the padding
    assert float((net(X, WANTED) - net(X, 1 - WANTED))[inner].abs().mean()) > 1e-3


@torch.no_grad()
def test_how_each_kind_hands_out_the_picture() -> None:
    """The last convolution says 0, or so little of itself that its bias decides."""
    for kind, expected in (("residual", ((2 * X - 1).tanh() + 1) / 2), ("attention", X)):
        net = editor(kind)  # type: ignore[arg-type]
        last = net.net.decoder[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        if kind == "attention":
            last.bias[3] = 30.0  # type: ignore[index]
        assert torch.allclose(net(X, WANTED), expected, atol=1e-6), kind


def test_the_critic_tells_regions_and_attributes() -> None:
    critic = Critic(2, 4)
    real, logits = critic(X)
    assert real.shape == (3, 1, 1, 2)
    assert logits.shape == (3, 2)


def test_gradients_pass_a_fixed_critic() -> None:
    critic, x = Critic(2, 4), X.clone().requires_grad_(True)
    for got, expected in zip(critic.fixed(x), critic(x)):
        assert torch.equal(got, expected)
    sum(part.sum() for part in critic.fixed(x)).backward()  # type: ignore[union-attr]
    assert x.grad is not None
    assert float(x.grad.abs().max()) > 0
    assert all(p.grad is None for p in critic.parameters())
