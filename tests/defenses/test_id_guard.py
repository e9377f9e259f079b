"""ID-Guard: its bound, what it spoils, its masks and its weights."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest
import torch
from faceleak.bench.core.anatomy import Anatomy
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.defenses.id_guard import IdGuard, Lesson, kpi_weights, part_masks
from systems import CPU, faces, kept, recognizer
from torch import Tensor

SMALL = {"edited": ("first", "second"), "editor_width": 4, "editor_blocks": 1, "editor_steps": 10, "critic_steps": 2,
         "blocks": 1, "pictures": 32, "prior_steps": 3, "steps": 2, "width": 4, "eps": 0.2}  # fmt: skip
ROWS = torch.arange(16)


def context(faces_: FaceSet | None = None, surrogates: tuple[str, ...] = ("toy-b",)) -> FitContext:
    return FitContext(
        recognizer("toy-a"), faces_ or faces()["public"], Rng(0, "defense"), CPU, Progress(),
        tuple(recognizer(name) for name in surrogates), 32, functools.partial(kept, "id-guard"),
    )  # fmt: skip


def fitted(**values: Any) -> IdGuard:
    return DEFENSES.get("id-guard")(SMALL | values).fit(context())


@pytest.fixture(scope="module")
def trained() -> IdGuard:
    return fitted(steps=60, lr=1e-2)


def victims() -> Tensor:
    return faces()["victims"].images(ROWS)


def publish(defense: IdGuard, x: Tensor) -> Tensor:
    return defense.publish(x, SecretSource.installation(0).draw(torch.arange(len(x))))


def lesson_of(defense: IdGuard) -> Lesson:
    return Lesson(defense.guard, context(), faces()["public"], defense.settings)


@torch.no_grad()
def damage(lesson: Lesson, noise: Tensor) -> float:
    """To edited pictures of the lesson, summed over the editors."""
    return float(sum(total for total, _ in lesson.damages(lesson.pictures[ROWS], [noise], ROWS)))


@pytest.mark.parametrize("size", [(32, 32), (20, 46), (64, 64)])
def test_no_value_moves_farther_than_eps(trained: IdGuard, size: tuple[int, int]) -> None:
    x = torch.nn.functional.interpolate(victims(), size, mode="bilinear")
    change = (publish(trained, x) - x).abs()
    assert float(change.max()) <= 0.1 + 1e-6, "eps is of pixels in [-1, 1]"
    assert float(change.mean()) > 0.02


def test_it_spoils_more_than_noise_of_the_same_size(trained: IdGuard) -> None:
    lesson = lesson_of(trained)
    with torch.no_grad():
        own = trained.guard(lesson.pictures[ROWS])
    signs = (Rng(0, "noise").uniform(ROWS, tuple(own.shape[1:])) - 0.5).sign()
    assert damage(lesson, own) > 1.4 * damage(lesson, own.abs() * signs)


def test_the_prior_starts_as_a_perturbation_that_works() -> None:
    several, none = (fitted(prior_steps=steps, steps=1, lr=1e-9) for steps in (8, 0))
    lesson = lesson_of(several)
    assert damage(lesson, several.guard.prior) > 1.2 * damage(lesson, none.guard.prior)
    assert float(several.guard.prior.detach().abs().max()) <= 0.1


def test_damage_by_hand() -> None:
    defense = fitted(weight_features=0.5, weight_identity=2.0)
    lesson, x, wanted = lesson_of(defense), faces()["public"].images(ROWS), torch.zeros(16, 2)
    lesson.pictures, lesson.wanted = x, wanted
    lesson.masks = torch.zeros(16, 1, 32, 32)
    lesson.masks[:, :, :8] = 1
    noise = torch.full((3, 32, 32), 0.05)
    editor, judge = lesson.editors[0], recognizer("toy-b")
    (y, middle), (spoilt, middle_spoilt) = (editor.edit((x + d).clamp(0, 1), wanted) for d in (0 * noise, noise))
    visible = 4 * (y - spoilt)[:, :, :8].square().mean() / 4
    identity = 1 - (judge(y) * judge(spoilt)).sum(1).mean()
    features = (middle - middle_spoilt)[:, :, :2].square().mean() / 4
    total, first = lesson.damages(x, [noise], ROWS)[0]
    assert float(first) == pytest.approx(float(visible), rel=1e-4)
    assert float(total) == pytest.approx(float(visible + 2.0 * identity + 0.5 * features), rel=1e-4)


def test_the_guard_reads_the_prior(trained: IdGuard) -> None:
    x, before = victims(), trained.guard.raw.clone()
    first = trained.guard(x)
    trained.guard.raw.data.neg_()
    assert float((trained.guard(x) - first).abs().mean()) > 1e-4
    trained.guard.raw.data.copy_(before)


@pytest.mark.parametrize("weighting", ["mgda", "kpi", "equal"])
def test_every_weighting_trains(weighting: str) -> None:
    log = fitted(weighting=weighting, steps=12, lr=3e-3).log
    assert log is not None
    assert all(math.isfinite(value) for value in log.losses)
    assert max(log.losses) < 0, "damage is made large"


def test_editors_that_resist_count_more() -> None:
    weights = kpi_weights(torch.tensor([0.0, 0.01, 0.5, 1.0, 3.0]), 1.0)
    assert weights[1:].tolist() == pytest.approx([-0.99 * math.log(0.01), 0.5 * math.log(2), 0, 0], abs=1e-6)
    assert float(weights[0]) == pytest.approx(-math.log(1e-13), rel=1e-3)


def with_parts(parts: Tensor) -> FaceSet:
    plain, names = faces()["public"], ("skin", "left_eye", "glasses", "eyeglasses", "u_lip")
    anatomy = Anatomy(torch.zeros(len(parts), 5, 2), ("a", "b", "c", "d", "e"), parts, names)
    return FaceSet("some", plain.samples, plain.identities, plain.images, "some", anatomy=lambda index: anatomy)


def test_masks_are_the_parts_that_people_are_known_by() -> None:
    parts = torch.tensor([[0, 1], [2, 4]], dtype=torch.uint8).repeat_interleave(2, 0).repeat_interleave(2, 1)[None]
    mask = part_masks(with_parts(parts), torch.arange(1), 2)
    assert mask.tolist() == [[[[0, 1], [0, 1]]]]
    assert float(part_masks(with_parts(parts), torch.arange(1), 1)) == 0.5


def test_without_parts_boxes_stand_in() -> None:
    mask = part_masks(faces()["public"], torch.arange(3), 112)
    assert mask.shape == (3, 1, 112, 112)
    for x, y in ((38, 52), (73, 51), (56, 72), (42, 92), (71, 92)):  # the five points of the template
        assert float(mask[0, 0, y, x]) == 1
    assert float(mask[0, 0, 5, 5]) == 0
    assert 0.2 < float(mask.mean()) < 0.4


@pytest.mark.parametrize(
    ("values", "message"),
    [({"eps": 0.0}, "eps must be positive"), ({"editors": ()}, "at least one"),
     ({"editors": ("residual", "residual")}, "name each editor once"), ({"pictures": 0}, "must be at least 1"),
     ({"edited": ("glasses",)}, "some of first, second")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fitted(**values)


def test_what_it_needs_is_named() -> None:
    with pytest.raises(InputError, match="under recognisers of the protector's, and the track names none"):
        DEFENSES.get("id-guard")(SMALL).fit(context(surrogates=()))
    plain = faces()["public"]
    unlabelled = FaceSet("train", plain.samples, plain.identities, plain.images, "unlabelled")
    with pytest.raises(InputError, match="of the train split nothing is known"):
        DEFENSES.get("id-guard")(SMALL).fit(context(unlabelled))
