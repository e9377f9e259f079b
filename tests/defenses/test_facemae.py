"""FaceMAE-style release: masks, the two losses, what is trained, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.couples import Couples
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.mae import patches_of
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Goal, Surface
from faceleak.defenses.facemae import FaceMae, relation_loss
from systems import CPU, ToySystem, faces, recognizer

SOME = torch.arange(24)
SMALL = {"side": 32, "width": 16, "depth": 1, "decoder_depth": 1, "steps": 6, "persons": 8}


def fitted(**settings: Any) -> FaceMae:
    defense = DEFENSES.get("facemae")(SMALL | settings)
    return defense.fit(FitContext(recognizer("toy-a"), faces()["public"], Rng(0, "defense"), CPU, Progress()))


@pytest.fixture(scope="module")
def small() -> FaceMae:
    return fitted()


@pytest.mark.parametrize(("ratio", "hidden"), [(0.5, 8), (0.75, 12), (0.9, 14)])
def test_each_picture_hides_exactly_its_share_and_has_a_mask_of_its_own(ratio: float, hidden: int) -> None:
    defense, system = fitted(mask_ratio=ratio, steps=1), ToySystem("none")
    x, source = system.public.images(SOME), system.installation
    draw = source.draw(system.public.ids[SOME])
    released = defense.leak(x, Surface.IMAGE, draw)
    order = defense.order(draw)
    masked = order[:, defense.n_visible :]
    assert masked.shape == (24, hidden)
    other = patches_of(x, 8).clone()
    row = torch.arange(24)[:, None]
    other[row, masked] = 0
    blacked = other.reshape(24, 4, 4, 3, 8, 8).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)
    assert torch.equal(released, defense.leak(blacked, Surface.IMAGE, draw)), "hidden pixels have no way out"
    assert len({tuple(sorted(m)) for m in masked.tolist()}) > 20, "per picture"
    again = defense.order(source.draw(system.public.ids[SOME], 1))[:, defense.n_visible :]
    assert not torch.equal(again.sort(1).values, masked.sort(1).values), "and per presentation"


def test_nothing_of_the_original_is_copied(small: FaceMae) -> None:
    """The visible patches of the release are drawn, too."""
    system = ToySystem("none")
    x, draw = system.public.images(SOME), system.installation.draw(system.public.ids[SOME])
    released = small.leak(x, Surface.IMAGE, draw)
    seen = small.order(draw)[:, : small.n_visible]
    error = (patches_of(released, 8) - patches_of(x, 8)).abs().amax(2).gather(1, seen)  # type: ignore[arg-type]
    assert float(error.min()) > 0.01


def test_the_release_has_the_size_of_the_picture(small: FaceMae) -> None:
    x = torch.rand(2, 3, 48, 40, generator=torch.Generator().manual_seed(0))
    released = small.leak(x, Surface.IMAGE, ToySystem("none").installation.draw(torch.arange(2)))
    assert released.shape == x.shape  # type: ignore[union-attr]
    assert small.goal is Goal.RELEASE_DATASET


def test_relation_loss_is_the_mean_squared_difference_of_cosines() -> None:
    z, y = (torch.nn.functional.normalize(Rng(0, name).normal(torch.arange(6), (5,)), dim=1) for name in "zy")
    by_hand = sum(float((z[i] @ z[j] - y[i] @ y[j]) ** 2) for i in range(6) for j in range(6)) / 36
    assert float(relation_loss(z, y)) == pytest.approx(by_hand, rel=1e-5)
    assert float(relation_loss(z, z)) == 0
    turn = torch.linalg.qr(Rng(0, "turn").normal(torch.arange(5), (5,)))[0]
    assert float(relation_loss(z, z @ turn)) < 1e-12, "relations only: a common rotation is free"


def test_relation_loss_is_zero_for_a_perfect_drawing(small: FaceMae) -> None:
    x, phi = faces()["public"].resized(SOME, 32), recognizer("toy-a")
    assert float(relation_loss(phi(x), phi(x))) == 0
    assert float(small.pixel_error(x, x, ToySystem("none").installation.draw(SOME))) == 0


@pytest.mark.parametrize(("pixels", "seen_wrong", "hidden_wrong"), [("hidden", 0, 1), ("all", 0.25, 0.75)])
def test_pixels_count_where_the_setting_says(pixels: str, seen_wrong: float, hidden_wrong: float) -> None:
    small = fitted(pixels=pixels, steps=0)
    draw = ToySystem("none").installation.draw(SOME)
    x = torch.zeros(24, 3, 32, 32)
    wrong = torch.zeros(24, 16, 192)
    wrong[torch.arange(24)[:, None], small.order(draw)[:, : small.n_visible]] = 1
    drawn = wrong.reshape(24, 4, 4, 3, 8, 8).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)
    assert float(small.pixel_error(drawn, x, draw)) == pytest.approx(seen_wrong)
    assert float(small.pixel_error(1 - drawn, x, draw)) == pytest.approx(hidden_wrong)


@pytest.mark.parametrize("settings", [{"lambda_pix": 0.0, "pretrain": 0.0}, {"lambda_irm": 0.0}])
def test_training_reaches_the_autoencoder_only_through_either_loss(settings: dict[str, Any]) -> None:
    phi = recognizer("toy-a")
    before = {name: value.clone() for name, value in phi.state_dict().items()}
    untrained, trained = fitted(steps=0, **settings), fitted(**settings)
    moved = [not torch.equal(a, b) for a, b in zip(untrained.net.parameters(), trained.net.parameters())]
    assert sum(moved) > 0.9 * len(moved)
    assert all(torch.equal(value, before[name]) for name, value in phi.state_dict().items())
    assert not any(name.startswith("recognizer") for name in trained.state_dict())
    assert all(p.grad is None for p in phi.parameters())


def test_both_losses_fall() -> None:
    relations = fitted(steps=60, lr=3e-3, lambda_pix=0.0, pretrain=0.0).log
    pixels = fitted(steps=60, lr=3e-3, lambda_irm=0.0).log
    for log in (relations, pixels):
        assert log is not None
        assert sum(log.losses[-10:]) < 0.8 * sum(log.losses[:10])


def test_relations_count_after_pretraining_only() -> None:
    """Until then two weights of the relation loss give one training; from then on not."""
    one, other = (fitted(steps=20, pretrain=0.5, lambda_irm=weight).log for weight in (1.0, 2.0))
    assert one is not None
    assert other is not None
    same = [a == b for a, b in zip(one.losses, other.losses)]
    assert same == [True] * 10 + [False] * 10


def test_a_batch_holds_two_pictures_of_each_person() -> None:
    public = faces()["public"]
    couples, persons = Couples(public, Rng(0, "c")), torch.arange(public.n_identities)
    index = couples.draw(persons, 0)
    assert torch.equal(public.labels[index], persons.repeat(2))
    first, second = index.chunk(2)
    assert (first != second).all()
    assert torch.equal(index, couples.draw(persons, 0))
    assert torch.equal(couples.draw(persons[3:5], 0), index.reshape(2, -1)[:, 3:5].flatten()), "no batch mates"
    shown = torch.stack([couples.draw(persons, p) for p in range(40)])
    assert len(torch.unique(shown)) == len(public), "all pictures have their turn"


def test_a_person_with_one_picture_is_paired_with_himself() -> None:
    public = faces()["public"]
    mixed = public.subset(torch.tensor([0, 6, 7, 12]), "mixed")
    index = Couples(mixed, Rng(0, "c")).draw(torch.arange(3), 0).reshape(2, 3)
    assert index[:, 0].tolist() == [0, 0]
    assert sorted(index[:, 1].tolist()) == [1, 2]
    assert index[:, 2].tolist() == [3, 3]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_ratio": 1.0}, "leaves 0 of 16 patches visible"),
        ({"mask_ratio": 0.0}, "leaves 16 of 16 patches visible"),
        ({"patch": 5}, "side must be a multiple of patch"),
        ({"lambda_irm": 0.0, "lambda_pix": 0.0}, "nor both 0"),
        ({"lambda_pix": -1.0}, "must not be negative"),
        ({"pretrain": 1.5}, "pretrain must lie in"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fitted(**settings)


def test_without_gradient_or_without_people_it_says_what_to_do() -> None:
    public, rng = faces()["public"], Rng(0, "defense")
    with pytest.raises(InputError, match="set lambda_irm = 0"):
        FaceMae(SMALL).fit(FitContext(recognizer("toy-forward"), public, rng, CPU, Progress()))
    plain = FaceMae(SMALL | {"lambda_irm": 0.0, "steps": 1})
    plain.fit(FitContext(recognizer("toy-forward"), public, rng, CPU, Progress()))
    with pytest.raises(InputError, match="give the track a train split"):
        FaceMae(SMALL).fit(FitContext(recognizer("toy-a"), None, rng, CPU, Progress()))
