"""LDP-Slicing: bits are kept as often as the budget says, and what is cut is the picture's detail."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.bdct import to_ycbcr
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.defenses.detail_reader import DetailInverse, DetailReader
from faceleak.defenses.ldp_slicing import GREY, LDPSlicing, detail, reassemble, slices, split_budget
from systems import ToySystem, faces

SOURCE = SecretSource.installation(0)


def _pictures(n: int = 6) -> torch.Tensor:
    return faces()["public"].images(torch.arange(n))


def test_the_budget_is_split_by_the_root_of_the_weights() -> None:
    found = split_budget(20.0)
    assert math.isclose(float(found.sum()), 20.0)
    assert math.isclose(float(found[0, 3] / found[1, 3]), 2.0), "Y weighs four times Cb"
    assert math.isclose(float(found[2, 7] / found[2, 6]), math.sqrt(2)), "a bit weighs twice the next"
    roots = sum(math.sqrt(w * 2**b) for w in (4, 1, 1) for b in range(8))
    assert math.isclose(float(found[0, 7]), 20 * math.sqrt(4 * 128) / roots)


def test_bits_come_back() -> None:
    values = torch.arange(256).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    bits = slices(values)
    assert bits.shape == (1, 3, 8, 16, 16)
    assert torch.equal(reassemble(bits).long(), values)
    assert bool(bits[0, 0, 7].flatten()[128:].all()), "the last slice is the most significant"


def test_detail_is_haar_without_its_mean_band() -> None:
    """Against the four orthonormal Haar bands, computed one by one."""
    x = _pictures()
    planes = to_ycbcr(x)
    a, b, c, d = (planes[..., i::2, j::2] for i in (0, 1) for j in (0, 1))
    bands = [(a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2]  # without (a + b + c + d) / 2
    signs = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]
    back = [sum(s * band for s, band in zip(sign, bands, strict=True)) / 2 for sign in signs]
    found = detail(x) - GREY
    for (i, j), wanted in zip(((0, 0), (0, 1), (1, 0), (1, 1)), back, strict=True):
        assert float((found[..., i::2, j::2] - wanted).abs().max()) <= 0.51  # rounding to 8 bits
    assert torch.equal(detail(torch.full((1, 3, 8, 8), 0.3)), torch.full((1, 3, 8, 8), GREY)), "grey says nothing"
    hard = torch.zeros(1, 3, 8, 8)
    hard[..., 1::2, 1::2] = 1
    assert int(detail(hard).max()) == 255, "a clipped extreme stays in 8 bits"


def test_each_bit_is_kept_with_its_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    """The share of flipped bits, slice by slice, over 24576 pixels: five standard errors."""
    seen = []
    monkeypatch.setattr("faceleak.defenses.ldp_slicing.reassemble", lambda bits: seen.append(bits) or reassemble(bits))
    x = _pictures(24)
    LDPSlicing({"side": 32}).encode(x, SOURCE.draw(torch.arange(24)))
    flipped = (torch.cat(seen) ^ slices(detail(x))).double().mean((0, 3, 4))
    wanted = 1 / (1 + split_budget(20.0).exp())
    error = (wanted * (1 - wanted) / (24 * 32 * 32)).sqrt()
    assert float(((flipped - wanted) / error).abs().max()) < 5


def test_what_is_sent_is_an_8_bit_picture_that_tends_to_the_detail() -> None:
    x = _pictures()
    draw = SOURCE.draw(torch.arange(6))
    sent = LDPSlicing({"side": 32}).encode(x, draw)
    assert float(sent.min()) >= 0
    assert float(sent.max()) <= 1
    assert torch.allclose(255 * sent, (255 * sent).round(), atol=1e-4)
    generous = LDPSlicing({"side": 32, "epsilon_total": 1000.0}).encode(x, draw)
    clean = x - F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0) + GREY / 255
    assert float((generous - clean.clamp(0, 1)).abs().max()) < 0.02
    none = LDPSlicing({"side": 32, "epsilon_total": 1e-6}).encode(x, draw)
    assert abs(float(torch.corrcoef(torch.stack([none.flatten(), clean.flatten()]))[0, 1])) < 0.03


def test_bits_are_redrawn_for_each_presentation_and_epsilon_is_reported() -> None:
    x, ids = _pictures(), torch.arange(6)
    defense = LDPSlicing({"side": 32})
    first, again, other = (defense.encode(x, SOURCE.draw(ids, p)) for p in (0, 0, 1))
    assert torch.equal(first, again)
    assert float((first != other).float().mean()) > 0.9
    facts = defense.properties()
    assert (facts["epsilon_pixel"], facts["epsilon"]) == (20.0, 20.0 * 32 * 32)
    with pytest.raises(InputError, match="epsilon_total must lie in"):
        ToySystem("ldp-slicing", {"epsilon_total": 0.0})


def test_what_a_colour_says_of_the_detail_is_counted() -> None:
    """Pixels whose colour was seen often get its mean; a colour that was never seen leans on those around it."""
    reader = DetailReader(16)
    wire = torch.zeros(1, 3, 16, 16)
    wire[..., 8:] = 1.0
    truth = torch.where(wire > 0, 3.0, -1.0) + Rng(0, "noise").normal(torch.arange(1), (3, 16, 16))
    reader.learn([(wire, truth)] * 40)
    found = reader.detail(wire)
    assert torch.allclose(found[..., 8:], truth[..., 8:].mean((2, 3), keepdim=True).expand(1, 3, 16, 8), atol=0.05)
    near, far = torch.full((1, 3, 16, 16), 10 / 255), torch.full((1, 3, 16, 16), 0.5)
    assert float(reader.detail(near).mean()) == pytest.approx(-1, abs=0.2), "in the same cube of eight cells"
    assert torch.equal(reader.detail(far), torch.zeros(1, 3, 16, 16))
    explained = (found * truth).mean((0, 2, 3)) / truth.square().mean((0, 2, 3))
    assert torch.allclose(reader.share, explained, atol=0.02)


def test_a_picture_comes_back_from_its_detail() -> None:
    """What is left of a picture without the means of its 2x2 blocks is nearer it than the mean picture is."""
    images = faces()["public"].resized(torch.arange(80), 32)
    inverse = DetailInverse(32)
    inverse.fit(images)
    inverse.noise.fill_(1e-3)
    found = inverse((detail(images[:8]) - GREY).float())
    mean = images.mean(0)
    assert float((found - images[:8]).square().mean()) < 0.7 * float((mean - images[:8]).square().mean())


def test_a_server_with_the_inverse_reads_noisy_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceleak.defenses.ldp_slicing.COUNTED", 300)
    system = ToySystem("ldp-slicing", {"front": "inverse", "server_steps": 2})
    wire = system.deployed_leak(torch.arange(6), Surface.WIRE)
    assert torch.equal(wire, ToySystem("ldp-slicing").deployed_leak(torch.arange(6), Surface.WIRE))  # type: ignore[arg-type]
    z = system.defense.embed(wire)
    assert torch.allclose(z.norm(dim=1), torch.ones(6), atol=1e-5)
