"""The masked autoencoder: what it may see, where patches are, and first weights."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.nets.mae import MaskedAutoencoder, patches_of, picture_of, positions, transformer
from faceleak.bench.core.seeding import Rng

SIDE, PATCH, TOKENS, VISIBLE = 32, 8, 16, 4


@pytest.fixture(scope="module")
def net() -> MaskedAutoencoder:
    with Rng(0, "mae").seeds_torch():
        return MaskedAutoencoder(SIDE, PATCH, width=16, depth=2, decoder_depth=1).eval()


def _images(n: int = 3) -> torch.Tensor:
    return Rng(0, "pictures").uniform(torch.arange(n), (3, SIDE, SIDE))


def _order(n: int = 3) -> torch.Tensor:
    return Rng(0, "masks").permutation(torch.arange(n), TOKENS)


def test_patches_are_row_by_row_and_come_back() -> None:
    x = _images()
    patches = patches_of(x, PATCH)
    assert patches.shape == (3, TOKENS, 3 * PATCH**2)
    assert torch.equal(patches[1, 6].reshape(3, PATCH, PATCH), x[1, :, 8:16, 16:24]), "patch 6 = row 1, column 2"
    assert torch.equal(picture_of(patches, PATCH, SIDE), x)


@pytest.mark.parametrize("training", [True, False])
def test_hidden_patches_are_never_read(net: MaskedAutoencoder, training: bool) -> None:
    """Changing every hidden pixel changes nothing; changing one visible patch changes every other."""
    net.train(training)
    x, order = _images(), _order()
    visible, hidden = order[:, :VISIBLE], order[:, VISIBLE:]
    row = torch.arange(3)[:, None]
    other = patches_of(x, PATCH).clone()
    other[row, hidden] = 1 - other[row, hidden]
    with torch.no_grad():
        before = net(x, visible)
        assert torch.equal(before, net(picture_of(other, PATCH, SIDE), visible))
        other[row, visible[:, :1]] = 0
        changed = (patches_of(net(picture_of(other, PATCH, SIDE), visible), PATCH) != patches_of(before, PATCH)).any(2)
    assert changed.all()
    net.eval()


def test_no_gradient_reaches_hidden_pixels(net: MaskedAutoencoder) -> None:
    x, order = _images().requires_grad_(), _order()
    net(x, order[:, :VISIBLE]).square().sum().backward()
    assert x.grad is not None
    used = patches_of(x.grad, PATCH).abs().amax(2) > 0
    assert torch.equal(used, torch.zeros_like(used).scatter(1, order[:, :VISIBLE], True)), "exactly the visible ones"


@torch.no_grad()
def test_where_a_patch_is_counts_and_in_which_order_it_is_named_does_not(net: MaskedAutoencoder) -> None:
    x, visible = _images(), _order()[:, :VISIBLE]
    assert torch.allclose(net(x, visible), net(x, visible.flip(1)), atol=1e-5)
    same = torch.full_like(x, 0.3)
    assert not torch.allclose(net(same, visible), net(same, (visible + 1) % TOKENS), atol=1e-4)


@torch.no_grad()
def test_batch_mates_do_not_matter_and_the_range_holds(net: MaskedAutoencoder) -> None:
    x, visible = _images(), _order()[:, :VISIBLE]
    whole = net(x, visible)
    assert whole.shape == x.shape
    assert 0 < float(whole.min()) < float(whole.max()) < 1
    assert torch.allclose(whole[1:2], net(x[1:2], visible[1:2]), atol=1e-6)


def test_every_place_and_every_layer_is_different() -> None:
    place = positions(4, 16)
    assert place.shape == (16, 16)
    assert len(torch.unique(place, dim=0)) == 16
    assert torch.equal(place[0, :8], place[3, :8]), "the first half says the row"
    assert torch.equal(place[0, 8:], place[4, 8:]), "the second half the column"
    first, second, _ = transformer(16, 2, 4)
    assert not torch.equal(first.linear1.weight, second.linear1.weight)  # type: ignore[arg-type,union-attr]
