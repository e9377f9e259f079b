"""PPFR-FD-style: the channels are chosen, masked without a key, and read by a server that knows no order."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.bdct import bdct
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.defenses.ppfr_fd_style import PPFRFDStyle, Unordered, masked
from systems import CPU, ToySystem, faces, recognizer
from torch import nn

SOURCE = SecretSource.installation(0)
SMALL = {"side": 16, "server_steps": 2, "server_batch": 8, "gate_steps": 20}


def _context() -> FitContext:
    few = faces()["public"].subset(torch.arange(60), "few")
    return FitContext(recognizer("toy-a"), few, Rng(0, "defense"), CPU, Progress())


def _fitted(**settings: object) -> PPFRFDStyle:
    return PPFRFDStyle(SMALL | settings).fit(_context())  # type: ignore[return-value]


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_thirty_six_channels_of_each_plane_and_never_a_mean() -> None:
    chosen = _fitted().chosen
    assert len(chosen.unique()) == 108
    assert (chosen // 64).bincount().tolist() == [36, 36, 36]
    assert bool((chosen % 64 != 0).all())


def test_the_penalty_keeps_what_is_visible_at_home() -> None:
    free, strict = _fitted(penalty=0.0), _fitted(penalty=100.0)
    kept = [float(d.energy[d.chosen].sum()) for d in (free, strict)]
    assert kept[1] < 0.5 * kept[0]
    loud = {int(k) for plane in range(3) for k in 64 * plane + strict.energy[64 * plane :][:64].topk(6).indices}
    assert not loud & set(strict.chosen.tolist())
    found = strict.properties()["energy_dropped"]
    assert found > 0.94  # the paper's figure
    direct = bdct(faces()["public"].subset(torch.arange(60), "few").resized(torch.arange(60), 16)).abs().mean((0, 2, 3))
    assert abs(found - float(1 - direct[strict.chosen].sum() / direct.sum())) < 1e-4


def test_masking_is_the_stated_order_of_steps() -> None:
    """Against a loop over samples and channels."""
    x = _noise(2, 5, 4, 4)
    first, second = (Rng(0, k).permutation(torch.arange(2), 5) for k in "ab")
    found = masked(x, first, second)
    for n in range(2):
        shuffled = [x[n, k] for k in first[n]]
        mixed = [(shuffled[c] + shuffled[(c + 1) % 5]) / 2 for c in range(5)]
        normal = [(m - m.mean()) / m.std(unbiased=False) for m in mixed]
        for c in range(5):
            assert torch.allclose(found[n, c], normal[int(second[n, c])], atol=1e-5)
    flat = torch.full((1, 4, 4, 4), 3.0)
    order = torch.arange(4)[None]
    assert torch.equal(masked(flat, order, order), torch.zeros(1, 4, 4, 4)), "a constant channel is no 0 / 0"


def test_orders_are_redrawn_and_each_sample_stands_alone() -> None:
    defense = _fitted()
    x = faces()["public"].resized(torch.arange(4), 16)
    draw = SOURCE.draw(torch.arange(4))
    sent = defense.encode(x, draw)
    assert sent.shape == (4, 108, 16, 16)
    assert torch.equal(sent[2:3], defense.encode(x[2:3], draw.take(slice(2, 3))))
    assert not torch.equal(sent, defense.encode(x, SOURCE.draw(torch.arange(4), 1)))
    assert float(sent.mean((2, 3)).abs().max()) < 1e-4
    same = defense.encode(x[:1].expand(2, -1, -1, -1), draw.take(slice(0, 2)))
    assert not torch.equal(same[0], same[1]), "two pictures of a batch have orders of their own"


def test_the_server_does_not_care_about_the_order() -> None:
    net = Unordered(nn.Flatten())
    x = _noise(3, 10, 8, 8)
    assert torch.allclose(net(x), net(x[:, torch.randperm(10)]), atol=1e-6)
    assert not torch.allclose(net(x), net(x.flip(3)), atol=1e-3)


def test_a_fit_reads_back_and_nothing_is_sent_before_the_choice() -> None:
    defense, draw = _fitted(), SOURCE.draw(torch.arange(2))
    x = faces()["public"].resized(torch.arange(2), 16)
    loaded = PPFRFDStyle(SMALL).fit(_context(), defense.state_dict())
    assert torch.equal(loaded.embed_images(x, draw), defense.embed_images(x, draw))
    bare = PPFRFDStyle(SMALL)
    bare._build(_context())
    with pytest.raises(InputError, match="no channels were chosen yet"):
        bare.encode(x, draw)
    with pytest.raises(InputError, match="must be positive"):
        ToySystem("ppfr-fd-style", {"gate_steps": 0})
