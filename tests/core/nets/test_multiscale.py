"""What is read of a recogniser, and which noise levels each of its layers steers."""

from __future__ import annotations

import copy

import pytest
import torch
from faceleak.bench.core.nets.multiscale import BUCKETS, LAYERS, MultiScale, Stages
from faceleak.bench.core.seeding import Rng
from systems import recognizer

X = Rng(0, "pictures").uniform(torch.arange(4), (3, 32, 32))


def test_places_go_from_the_first_layers_to_the_embedding() -> None:
    network = recognizer("toy-split")
    stages = Stages(network)
    said = stages(X)
    assert [x.shape for x in said] == [(4, width) for width in stages.widths]
    assert list(stages.widths[:4]) == sorted(stages.widths[:4]), "a residual network widens as it goes"
    assert torch.equal(said[-1], network(X))
    assert not any(layer._forward_hooks for layer in network.modules()), "nothing is left behind"
    alone = [torch.cat(parts) for parts in zip(*(stages(X[i : i + 1]) for i in range(4)), strict=True)]
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(alone, said, strict=True))


def test_a_network_of_one_layer_is_asked_twice() -> None:
    assert Stages(recognizer("toy-b")).widths == (32,) * LAYERS


def test_the_digest_is_that_of_the_weights() -> None:
    network = recognizer("toy-split")
    other = copy.deepcopy(network)
    assert Stages(network).digest() == Stages(other).digest()
    next(other.parameters()).data.flatten()[0] += 1e-3
    assert Stages(network).digest() != Stages(other).digest()


@pytest.mark.parametrize("layer", range(LAYERS))
def test_two_buckets_read_each_layer_and_late_layers_steer_much_noise(layer: int) -> None:
    with Rng(0, "weights").seeds_torch():
        net = MultiScale((3, 4, 5, 6, 7), 16)
    said = [Rng(0, k).normal(torch.arange(2), (width,)) for k, width in enumerate((3, 4, 5, 6, 7))]
    before = net(said)
    assert before.shape == (2, BUCKETS, 16)
    said[layer] = said[layer].flip(0)
    moved = (net(said) != before).any(2).any(0)
    assert moved.nonzero().flatten().tolist() == [2 * layer, 2 * layer + 1]
