"""The small text-image encoder: words, and that neither padding nor unknown ones matter."""

from __future__ import annotations

import torch
from faceleak.bench.core.nets.text_image import PAD, UNKNOWN, TextImage
from faceleak.bench.core.seeding import Rng


def _net() -> TextImage:
    with Rng(0, "test").seeds_torch():
        net = TextImage(16, 12).eval().requires_grad_(False)
    net.seen[net.numbers(["a small dark face with a hat"]).unique()] = True
    return net


def test_a_sentence_means_the_same_beside_longer_ones() -> None:
    net = _net()
    both = net.texts(["A hat", "a small, dark face with a hat."])
    assert torch.allclose(both[0], net.texts(["a hat"])[0], atol=1e-6)
    assert torch.allclose(both.norm(dim=1), torch.ones(2))
    assert not torch.allclose(both[0], both[1], atol=1e-3)


def test_words_that_were_never_seen_are_named_and_count_as_one() -> None:
    net = _net()
    assert net.unknown("A dark moustache, with glasses") == ["moustache", "glasses"]
    assert torch.equal(net.texts(["a moustache"]), net.texts(["a tie"]))
    assert net.texts([""]).isfinite().all()


def test_numbers_of_words() -> None:
    numbers = _net().numbers(["a hat", "A HAT with a", ""])
    assert numbers.shape == (3, 4)
    assert numbers[0].tolist() == [*numbers[1, :2].tolist(), PAD, PAD]
    assert int(numbers[1, 0]) == int(numbers[1, 3])
    assert numbers[2].tolist() == [UNKNOWN, PAD, PAD, PAD]


def test_pairs_lower_the_loss() -> None:
    net = _net()
    x = torch.rand(4, 3, 32, 32)
    z = net.images(x)
    net.read = lambda numbers: z  # type: ignore[method-assign]
    right = net.loss(x, torch.zeros(4, 1))
    net.read = lambda numbers: z.roll(1, 0)  # type: ignore[method-assign]
    assert net.loss(x, torch.zeros(4, 1)) > right
