"""DuetFace: the split of the channels, the masks, the interactive block, and a client that stays as it was."""

from __future__ import annotations

import copy
import dataclasses
import functools

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.leaks import leak_bytes
from faceleak.bench.core.nets.adapted import Adapted
from faceleak.bench.core.nets.bdct import CHANNELS, bdct
from faceleak.bench.core.nets.regions import ellipse_region, hull_region
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.defenses.duetface import CLIENT, MASKS, SENT, DuetFace, GatedCopy, attention, interact
from systems import CPU, ToySystem, faces, fit_defense, recognizer, small_defense

SOME = torch.arange(12)


@functools.cache
def _defense(roi: str = "ellipse") -> DuetFace:
    """Fitted once; only the region differs, so that the networks are the same."""
    defense = copy.copy(ToySystem("duetface").defense)
    assert isinstance(defense, DuetFace)
    object.__setattr__(defense, "settings", dataclasses.replace(defense.settings, roi=roi))
    return defense


@functools.cache
def _wire(roi: str = "ellipse") -> dict[str, torch.Tensor]:
    system = ToySystem("duetface")
    images, ids = system.public.images(SOME), system.public.ids[SOME]
    wire = _defense(roi).leak(images, Surface.WIRE, system.installation.draw(ids))
    assert isinstance(wire, dict)
    return wire


def test_the_split_is_a_partition() -> None:
    assert (len(CLIENT), len(SENT)) == (30, 162)
    assert sorted(CLIENT + SENT) == list(range(CHANNELS))
    kept = torch.tensor(CLIENT).reshape(3, 10)
    assert torch.equal(kept - 64 * torch.arange(3)[:, None], torch.tensor([[0, 1, 2, 3, 4, 5, 8, 9, 16, 24]] * 3))


def test_what_travels_is_the_other_channels_and_four_masks() -> None:
    wire = _wire()
    shapes = {name: tuple(part.shape[1:]) for name, part in wire.items()}
    sides = dict(zip(MASKS, (8, 4, 2, 2), strict=True))
    assert shapes == {"channels": (162, 32, 32)} | {name: (1, side, side) for name, side in sides.items()}
    sent = bdct(faces()["public"].images(SOME))[:, SENT]
    assert torch.equal(wire["channels"], sent)
    assert leak_bytes(wire) == 4 * (162 * 32 * 32 + 64 + 16 + 4 + 4)


def test_the_sent_channels_have_no_brightness() -> None:
    grey = torch.full((2, 3, 32, 32), 0.3)
    wire = _defense().encode(grey, ToySystem("duetface").installation.draw(torch.arange(2)))
    assert float(wire["channels"].abs().max()) < 1e-2, "a flat picture has only DC, and that stays with the client"
    assert all(bool(torch.isfinite(part).all()) for part in wire.values())
    assert float((_defense().embed(wire).norm(dim=1) - 1).abs().max()) < 1e-5


@pytest.mark.parametrize("roi", ["ellipse", "none"])
def test_masks_are_stretched_to_the_unit_interval(roi: str) -> None:
    for name in MASKS:
        low, high = _wire(roi)[name].amin((1, 2, 3)), _wire(roi)[name].amax((1, 2, 3))
        assert torch.equal(low, torch.zeros(12))
        assert torch.allclose(high, torch.ones(12))


def test_the_region_changes_the_masks_and_nothing_else() -> None:
    with_region, without = _wire("ellipse"), _wire("none")
    assert torch.equal(with_region["channels"], without["channels"])
    assert not torch.allclose(with_region["mask1"], without["mask1"], atol=0.1)
    corner = with_region["mask1"][:, 0, [0, 0, -1], [0, -1, 0]]
    assert torch.equal(corner, torch.zeros(12, 3)), "outside the ellipse there is nothing to look at"


def test_attention_is_the_stretched_mean_over_channels() -> None:
    features = Rng(0, "features").normal(torch.arange(5), (7, 6, 6))
    found = attention(features, None)
    mean = features.mean(1)
    for sample in range(5):
        low, high = float(mean[sample].min()), float(mean[sample].max())
        assert torch.allclose(found[sample, 0], (mean[sample] - low) / (high - low), atol=1e-5)
    masked = found[:1, 0] * ellipse_region(6)[0]
    assert torch.allclose(attention(features, ellipse_region(6))[:1, 0], masked / masked.max())


def test_a_map_of_negative_mean_is_strong_inside_the_face() -> None:
    """Stretched before the region is applied, as released; the other way round it says to look beside the face."""
    region = ellipse_region(16)
    mean = Rng(0, "features").normal(torch.arange(20), (1, 16, 16)) * 0.1 - 1
    inside, outside = region[0, 0] == 1, region[0, 0] == 0
    found = attention(mean.expand(-1, 4, -1, -1), region)[:, 0]
    assert float(found[:, inside].mean()) == pytest.approx(0.5, abs=0.1)
    assert float(found[:, outside].max()) == 0
    shifted = attention(mean.expand(-1, 4, -1, -1) + 5, region)[:, 0]
    assert torch.allclose(found, shifted, atol=1e-5), "what is added everywhere says nothing about where to look"


@pytest.mark.parametrize("value", [0.0, -3.0, 5e6])
def test_a_constant_map_becomes_zero(value: float) -> None:
    """And not 0 / 0, also beside a sample that has a map."""
    features = torch.full((2, 4, 3, 3), value)
    features[1, :, 1, 1] = value + max(1.0, abs(value))
    found = attention(features, None)
    assert torch.equal(found[0], torch.zeros(1, 3, 3))
    assert torch.equal(found[1, 0], F.pad(torch.ones(1, 1), (1, 1, 1, 1)))
    assert torch.equal(attention(torch.ones(2, 4, 1, 1), torch.ones(1, 1, 1, 1)), torch.zeros(2, 1, 1, 1))


def test_the_hull_of_detected_landmarks_is_the_region() -> None:
    """Toy faces know five points; their landmark network finds about these, and the masks are 0 outside their hull."""
    system = ToySystem("duetface", {"roi": "hull", "landmark_steps": 8, "landmark_width": 8, "server_steps": 2})
    defense = system.defense
    assert isinstance(defense, DuetFace)
    images = system.public.images(SOME)
    region = hull_region(defense.finder.landmarks(images), 32)
    wire = system.deployed_leak(SOME, Surface.WIRE)
    assert isinstance(wire, dict)
    outside = F.avg_pool2d(region, 4) == 0
    assert 0 < float(outside.float().mean()) < 1
    assert float(wire["mask1"][outside].max()) == 0
    assert not any(name.startswith("finder") for name in defense.state_dict()), "shared, so no part of the fit"
    with pytest.raises(InputError, match="landmarks"):
        DuetFace(small_defense("duetface") | {"roi": "hull"}).fit(
            FitContext(recognizer("toy-a"), None, Rng(0), CPU, Progress())
        )


def test_interact_with_weight_zero_is_the_sigmoid() -> None:
    features = Rng(0, "features").normal(torch.arange(3), (5, 8, 8))
    mask = Rng(0, "mask").uniform(torch.arange(3), (1, 4, 4))
    zero = torch.tensor(0.0)
    assert torch.equal(interact(features, mask, zero), torch.sigmoid(features))
    flat = interact(features, torch.full((3, 1, 4, 4), 0.5), torch.tensor(2.0))
    assert torch.allclose(flat, 2 * torch.sigmoid(features))
    assert torch.allclose(interact(features, mask, -torch.ones(())) + torch.sigmoid(features) * F.interpolate(
        mask, (8, 8), mode="bilinear"), torch.sigmoid(features), atol=1e-6)  # fmt: skip


def test_the_server_starts_without_masks_and_learns_to_use_them() -> None:
    defense = DuetFace(small_defense("duetface"))
    context = FitContext(recognizer("toy-a"), faces()["public"], Rng(0, "defense"), CPU, Progress())
    defense._build(context)
    assert torch.equal(defense.server.weights, torch.zeros(4))
    assert bool((_defense().server.weights != 0).all()), "all four were trained"
    wire = _wire()
    other = wire | {name: 1 - wire[name] for name in MASKS}
    assert not torch.allclose(_defense().embed(wire), _defense().embed(other), atol=1e-4)


def test_the_client_is_frozen_while_the_server_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and batch statistics; and the server's are not."""
    before: dict[str, torch.Tensor] = {}
    learn = DuetFace._fit_server

    def noting(self: DuetFace, context: FitContext) -> None:
        assert not self.client.training
        before.update({name: value.clone() for name, value in self.state_dict().items()})
        learn(self, context)

    monkeypatch.setattr(DuetFace, "_fit_server", noting)
    after = fit_defense(
        DuetFace(small_defense("duetface") | {"client_steps": 2, "server_steps": 3}), recognizer("toy-a")
    ).state_dict()
    client = [name for name in after if name.startswith("client")]
    assert any("running_var" in name for name in client)
    assert all(torch.equal(before[name], after[name]) for name in client)
    counted = [name for name in after if name.startswith("server") and name.endswith("num_batches_tracked")]
    assert all(int(after[name]) == 3 for name in counted)
    assert not torch.equal(before["server.weights"], after["server.weights"])


def test_the_client_learns_alone() -> None:
    """Its own embedding, thrown away later, comes to agree with the recogniser's on unseen people."""
    defense = DuetFace(small_defense("duetface") | {"client_steps": 60, "server_lr": 5e-3})
    context = FitContext(recognizer("toy-a"), faces()["public"], Rng(0, "defense"), CPU, Progress())
    with context.rng.child("weights").seeds_torch():
        defense._build(context)
    images = faces()["victims"].images(torch.arange(60))
    server = {name: value.clone() for name, value in defense.server.state_dict().items()}

    def agreement() -> float:
        with torch.no_grad():
            z = defense.client(defense.client_standardize(bdct(images)[:, CLIENT]))
        return float(F.cosine_similarity(z, recognizer("toy-a").embed(images)).mean())

    before = agreement()
    defense._fit_client(context)
    assert agreement() > before + 0.15
    assert not any(p.requires_grad for p in defense.client.parameters())
    assert all(torch.equal(server[name], value) for name, value in defense.server.state_dict().items())


def test_from_scratch_and_with_a_recogniser_that_has_no_gradient() -> None:
    system = ToySystem("duetface", {"recognizer_init": "scratch", "server_steps": 2, "client_steps": 2})
    z = system.defense.embed_images(system.public.images(SOME), system.installation.draw(system.public.ids[SOME]))
    assert tuple(z.shape) == (12, 32)
    assert bool(torch.isfinite(z).all())
    forward = ToySystem("duetface", {"server_steps": 2, "client_steps": 2}, recognizer="toy-forward")
    assert torch.isfinite(forward.deployed_leak(SOME)).all()  # type: ignore[arg-type]


def test_a_reloaded_defence_is_the_same() -> None:
    system = ToySystem("duetface")
    context = FitContext(recognizer("toy-a"), None, Rng(1, "elsewhere"), CPU, Progress())
    copy = DuetFace(small_defense("duetface")).fit(context, system.defense.state_dict())
    images, draw = system.public.images(SOME), system.installation.draw(system.public.ids[SOME])
    assert torch.equal(copy.leak(images, Surface.TEMPLATE, draw), system.deployed_leak(SOME))  # type: ignore[arg-type]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match=r"'clean_finetune' is not possible.*use 'distill' or 'scratch'"):
        ToySystem("duetface", {"recognizer_init": "clean_finetune"})
    with pytest.raises(InputError, match="roi"):
        DuetFace({"roi": "square"})
    wire = _wire()
    for wrong in (wire["channels"], {"channels": wire["channels"]}, wire | {"mask4": wire["mask2"]}):
        with pytest.raises(InputError, match="the server expects a wire of shape"):
            _defense().embed(wrong)


def test_gates_leave_a_copied_recogniser_as_it_is_until_they_learn() -> None:
    """The server of ``interaction = gate``: at first an adapted copy; a weight lets its mask in; no hook stays."""
    copied = GatedCopy(Adapted(len(SENT), recognizer("toy-split").trainable_copy()))
    x, masks = torch.randn(2, len(SENT), 32, 32, generator=torch.Generator().manual_seed(0)), [
        torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(side)) for side in (8, 4, 2, 2)
    ]  # fmt: skip
    assert torch.equal(copied(x, masks), copied.adapted(x))
    assert len(set(copied.places)) == len(MASKS)
    for place in range(len(MASKS)):
        with torch.no_grad():
            copied.weights.zero_()[place] = 0.5
        assert not torch.allclose(copied(x, masks), copied.adapted(x), atol=1e-4), copied.places[place]
    assert not any(layer._forward_hooks for layer in copied.modules())


def test_a_gated_server_learns_and_reads_its_wire() -> None:
    system = ToySystem("duetface", {"interaction": "gate", "client_steps": 1, "server_steps": 6}, "toy-split")
    defense = system.defense
    images, secret = system.public.images(SOME), system.installation.draw(system.public.ids[SOME])
    z = defense.embed(defense.leak(images, Surface.WIRE, secret))
    assert torch.allclose(z.norm(dim=1), torch.ones(len(SOME)), atol=1e-5)
    plain = recognizer("toy-split").embed(images)
    assert float((z * plain).sum(1).mean()) > 0.3, "it learns from the recogniser, in whose space it answers"


def test_a_gated_server_is_a_copy_and_nothing_else() -> None:
    for settings in ({"server": "ir18"}, {"recognizer_init": "scratch"}):
        with pytest.raises(InputError, match="is a copy of the recogniser"):
            fit_defense(DuetFace({"interaction": "gate", "client_steps": 1, **settings}), recognizer("toy-a"))
