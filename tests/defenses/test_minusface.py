"""MinusFace: the residue is blank to the eye and speaks to a network, and travels in an order of its own."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.nets.bdct import CHANNELS, PER_PLANE, bdct, bdct_and_blind, inverse_bdct, least_coefficients
from faceleak.bench.core.nets.resnet import SMALL, ResNet
from faceleak.bench.core.nets.standardize import Standardize
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DATASETS, DEFENSES
from faceleak.bench.core.secrets import SecretDraw
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.training import Batch, TrainSettings, train
from faceleak.bench.metrics.quality import psnr
from faceleak.datasets.rendering import sample_identity
from faceleak.defenses.minusface import MinusFace, shuffled
from systems import CPU, ToySystem, faces, recognizer

SIDE = 32
BLANK = 128 / 255  # what zero decodes to
SOME = torch.arange(16)


@functools.cache
def _stage_1(**settings: Any) -> MinusFace:
    """Stage 1 alone, on toys."""
    return _subtracted(faces()["public"], settings)


def _subtracted(train: FaceSet, settings: dict[str, Any], spoilt: float = 0.0) -> MinusFace:
    defense = MinusFace({"side": SIDE, "width": 8, "levels": 2, "batch": 8} | settings)
    context = FitContext(recognizer("toy-a"), train, Rng(0, "defense"), CPU, Progress())
    with context.rng.child("weights").seeds_torch():
        defense._build_client(context)
        torch.nn.init.normal_(defense.generator.head.weight, std=spoilt)
        defense._fit_client(context)
    return defense.eval().requires_grad_(False)


def seen(x: torch.Tensor) -> torch.Tensor:
    """What d sees of (N, 192, h, w), step by step: the block means, and the least that decodes to what they lack."""
    means = torch.zeros_like(x)
    means[:, ::PER_PLANE] = x[:, ::PER_PLANE]
    return means + least_coefficients(inverse_bdct(x - means))


def test_the_short_way_to_the_blind_part_is_the_long_one() -> None:
    for side in (16, 24, 64):
        images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(side))
        x, blind = bdct_and_blind(images)
        assert torch.equal(x, bdct(images))
        assert torch.allclose(blind, x - seen(x), atol=2e-2), "on the scale of 2000"


def _victims() -> torch.Tensor:
    return faces()["victims"].images(SOME)


def _draw(presentation: int = 0, deployment: int = 0, n: int = 16) -> SecretDraw:
    return SecretDraw(Rng(deployment, "key"), Rng(0, "sample"), torch.arange(n) + 1000 * presentation)


# ---- the order


def test_the_order_is_a_uniform_permutation_of_all_192_channels_of_each_picture() -> None:
    orders = _stage_1(steps=1).orders(_draw(n=400))
    assert torch.equal(orders.sort(1).values, torch.arange(CHANNELS).expand(400, -1))
    assert len(orders.unique(dim=0)) == 400
    # A uniform place has mean 95.5 and deviation 55.4; 400 of them average to within 2.8, 5 deviations are 14.
    assert float((orders.float().mean(0) - (CHANNELS - 1) / 2).abs().max()) < 14
    stays = (orders // PER_PLANE == torch.arange(CHANNELS) // PER_PLANE).float().mean()
    assert abs(float(stays) - 1 / 3) < 0.01, "Y, Cb and Cr are mixed"


def test_shuffled_puts_each_pictures_channels_in_its_own_order() -> None:
    r = Rng(0, "r").normal(torch.arange(3), (5, 2, 2))
    orders = torch.tensor([[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 2, 3, 4, 0]])
    found = shuffled(r, orders)
    for row in range(3):
        for place in range(5):
            assert torch.equal(found[row, place], r[row, orders[row, place]])


def test_no_shuffle_sends_the_decoded_residue(monkeypatch: pytest.MonkeyPatch) -> None:
    defense, x = _stage_1(steps=1), _victims()
    shuffled_wire = defense.encode(x, _draw())
    monkeypatch.setattr(defense, "orders", lambda secret: torch.arange(CHANNELS).expand(len(secret.ids), -1))
    assert torch.equal(defense.encode(x, _draw()), defense.decoded_residue(x).clamp(0, 1))
    assert float((defense.encode(x, _draw()) - shuffled_wire).abs().mean()) > 0.003


def test_a_known_order_gives_a_known_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    """The DC of Y sent as the DC of Cr: a picture that was grey differs in red and green only."""
    defense = _stage_1(steps=1)
    swapped = torch.arange(CHANNELS)
    swapped[[0, 2 * PER_PLANE]] = swapped[[2 * PER_PLANE, 0]]
    monkeypatch.setattr(defense, "orders", lambda secret: swapped.expand(len(secret.ids), -1))
    monkeypatch.setattr(defense, "residue", bdct)
    level = torch.tensor([0.3, 0.6])
    wire = defense.encode(level[:, None, None, None].expand(2, 3, SIDE, SIDE), _draw(n=2))
    y = 255 * level - 128  # now Cr
    expected = torch.stack([128 + 1.402 * y, 128 - 0.714136 * y, torch.full_like(y, 128)], dim=1) / 255
    assert torch.allclose(wire, expected[:, :, None, None].expand_as(wire), atol=1e-4)


def test_fresh_for_every_presentation_and_without_a_key() -> None:
    defense, x = _stage_1(steps=1), _victims()
    first, again = defense.encode(x, _draw()), defense.encode(x, _draw())
    assert torch.equal(first, again)
    assert torch.equal(first, defense.encode(x, _draw(deployment=7))), "it has no deployment secret"
    second = defense.encode(x, _draw(presentation=1))
    assert float((first - second).abs().mean((1, 2, 3)).min()) > 0.002, "every picture has changed"
    one_face = defense.encode(x[:1].expand(16, -1, -1, -1), _draw())
    assert len(one_face.flatten(1).unique(dim=0)) == 16, "the order belongs to the picture, not to the batch"


# ---- the subtraction


def test_decoding_is_additive() -> None:
    """d(a + b) = d(a) + d(b), less the mid-grey that each decoding adds; hence d(r) = d(e(X)) - X'."""
    a, b = (Rng(0, name).normal(torch.arange(2), (CHANNELS, 16, 16)) * 20 for name in "ab")
    assert torch.allclose(inverse_bdct(a + b) + BLANK, inverse_bdct(a) + inverse_bdct(b), atol=1e-5)
    defense, x = _stage_1(steps=30), _victims()
    parts = defense.decoded_residue(x) + defense.redrawn(x)
    assert torch.allclose(parts, inverse_bdct(bdct(x)) + BLANK, atol=1e-5)


@torch.no_grad()
def test_the_residue_begins_as_what_the_decoder_does_not_see() -> None:
    defense = MinusFace({"side": SIDE})
    context = FitContext(recognizer("toy-a"), faces()["public"], Rng(0, "defense"), CPU, Progress())
    defense._build_client(context)
    x = _victims()
    assert float(psnr(x, defense.redrawn(x).clamp(0, 1)).mean()) > 48, "X' is as good as d(e(X))"
    assert torch.allclose(defense.decoded_residue(x), torch.full_like(x, BLANK), atol=1e-4)
    r, e = defense.residue(x), bdct(x)
    edges = [k for k in range(CHANNELS) if k % PER_PLANE]
    assert float(r[:, edges].norm()) > 0.8 * float(e[:, edges].norm()), "nearly all edges are left"
    assert float(r[:, ::PER_PLANE].norm()) < 0.05 * float(e[:, ::PER_PLANE].norm()), "the means are taken"


def test_the_face_is_redrawn_and_the_residue_does_not_collapse() -> None:
    defense, x = _stage_1(steps=30), _victims()
    assert float(psnr(x, defense.redrawn(x).clamp(0, 1)).mean()) > 40
    rms = (defense.decoded_residue(x) - BLANK).square().mean().sqrt()
    assert float(rms) < 0.01 < float(x.std()) / 10
    before = bdct(x)
    before = before - seen(before)
    assert float(defense.residue(x).norm() / before.norm()) > 0.5
    assert not torch.equal(defense.residue(x), before), "it has learnt something"


def test_alpha_says_how_like_the_face_is_redrawn() -> None:
    """From a U-Net that begins by spoiling the picture."""
    x, off = _victims(), {}
    for alpha in (5.0, 1e-4):
        defense = _subtracted(faces()["public"], {"steps": 20, "alpha": alpha, "lr": 2e-2}, spoilt=0.3)
        off[alpha] = float((defense.redrawn(x) - x).abs().mean())
    assert off[5.0] < 0.7 * off[1e-4]


def test_scales_of_ten_to_the_fourth_are_evened_out() -> None:
    defense = _stage_1(steps=1)
    images = faces()["public"].resized(torch.arange(150), SIDE)
    size = bdct(images).square().mean((0, 2, 3)).sqrt()
    assert float(size.max() / size.min()) > 1e3
    even = size.clamp(min=1e-3) / defense.spread.flatten()
    assert float(even.min()) > 0.7
    assert float(even.max()) < 1.4


def test_a_grey_data_set_has_no_colour_to_divide_by() -> None:
    public = faces()["public"]
    grey = FaceSet(
        "grey",
        public.samples,
        [name.split("/")[0] for name in public.samples],
        lambda index: public.images(torch.as_tensor(index)).mean(1, keepdim=True).expand(-1, 3, -1, -1),
        "grey",
    )
    defense = _subtracted(grey, {"steps": 3})
    assert float(defense.spread.min()) > 0
    wire = defense.encode(grey.images(SOME), _draw())
    assert bool(wire.isfinite().all())


def test_each_picture_is_subtracted_on_its_own() -> None:
    defense, x = _stage_1(steps=30), _victims()
    assert torch.allclose(defense.residue(x)[3:4], defense.residue(x[3:4]), atol=1e-2), "on the scale of 2000"
    assert not [layer for layer in defense.generator.modules() if "Norm" in type(layer).__name__]


# ---- the wire


def test_the_wire_is_a_picture_about_grey() -> None:
    images = faces()["victims"].images(torch.arange(90))
    wire = _stage_1(steps=30).encode(images, _draw(n=90))
    assert wire.shape == (90, 3, SIDE, SIDE)
    assert float(wire.min()) >= 0
    assert float(wire.max()) <= 1
    assert abs(float(wire.mean()) - BLANK) < 0.01
    assert 0.001 < float(wire.std()) < float(images.std()) / 3


def test_the_recogniser_of_stage_1_is_thrown_away() -> None:
    assert {key.split(".")[0] for key in _stage_1(steps=1).state_dict()} == {"spread", "generator"}


def test_bits_round_the_wire() -> None:
    x = _victims()
    exact, rounded = (_stage_1(steps=1, bits=bits).encode(x, _draw()) for bits in (0, 8))
    levels = rounded * 255
    assert float((levels - levels.round()).abs().max()) < 1e-3
    assert float((rounded - exact).abs().max()) <= 0.5 / 255 + 1e-6
    assert not torch.equal(rounded, exact)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 0.0}, "alpha and beta must be positive"),
        ({"beta": -1.0}, "beta must not be negative"),
        ({"width": 0}, "width must be positive"),
        ({"levels": 5}, r"levels lie in 1\.\.4"),
        ({"bits": 1}, r"bits must be 0 \(not rounded\)"),
        ({"side": 40}, "side must be a multiple of 16"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ToySystem("minusface", settings)
    with pytest.raises(InputError, match="has no setting"):
        DEFENSES.get("minusface")({"no_such": 1})


# ---- what the residue says


@pytest.mark.slow
def test_the_residue_speaks_where_its_picture_is_silent() -> None:
    """Table 2 of the paper in small: who it is can be learnt from r, not from R' as a picture."""
    data = DATASETS.get("synthetic")({"identities": [200, 60], "images": [10, 6]})
    table = data._index()
    pixels = torch.from_numpy(np.stack(list(data._read(table)))).float() / 255
    people = sample_identity(0, torch.as_tensor(table["person"].to_numpy().copy()))  # what is to be learnt
    known = torch.as_tensor((table["group"] == "0").to_numpy().copy())
    rows = table[known.numpy()]
    train_set = FaceSet(
        "train",
        rows["sample"].tolist(),
        rows["identity"].tolist(),
        lambda index: pixels[known][torch.as_tensor(index)],
        "slow",
    )
    defense = _subtracted(train_set, {"side": 64, "levels": 3, "batch": 16, "steps": 30})
    unseen, names = pixels[~known], torch.as_tensor(table["person"].to_numpy().copy())[~known]
    views = {"r": defense.residue, "R'": lambda x: (defense.decoded_residue(x).clamp(0, 1) * 255).round() / 255}
    found = {name: _auc(view, pixels[known], people[known], unseen, names) for name, view in views.items()}
    assert found["R'"] < 0.6, found
    assert found["r"] > found["R'"] + 0.1, found


def _auc(view: Any, images: torch.Tensor, wanted: torch.Tensor, unseen: torch.Tensor, names: torch.Tensor) -> float:
    """Verification of unseen people by a small network that was taught the parameters of known ones."""
    rng = Rng(0, "probe")
    standardize = Standardize(view(images[:2]))
    standardize.fit(view(images[::20]))
    with rng.seeds_torch():
        net = ResNet(standardize.shape[0], wanted.shape[1], widths=SMALL)

    def loss(batch: Batch) -> torch.Tensor:
        said = net(standardize(view(images[batch.index])))
        return 1 - F.cosine_similarity(said, wanted[batch.index]).mean()

    train(net, loss, len(images), TrainSettings(80, 16, 3e-3), rng=rng, progress=Progress())
    with torch.no_grad():
        z = F.normalize(torch.cat([net(standardize(view(part))) for part in unseen.split(32)]), dim=1)
    score, same = z @ z.T, names[:, None] == names
    pairs = torch.ones_like(same).triu(1)
    impostor = score[~same & pairs].sort().values
    return float(torch.searchsorted(impostor, score[same & pairs]).double().mean() / len(impostor))
