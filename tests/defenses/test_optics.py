"""The learnt lens: what it publishes is what its point spread says, it blinds on purpose, and it says what it lacks."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.nets.camera import outside
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.secrets import SecretDraw, SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.defenses.optics import Optics
from systems import CPU, faces, kept, recognizer, small_defense

SOME = torch.arange(0, 90, 6)


def context() -> FitContext:
    return FitContext(
        recognizer("toy-a"), faces()["public"], Rng(0, "defense"), CPU, Progress(), (recognizer("toy-b"),), 32,
        functools.partial(kept, "toy-a"),
    )  # fmt: skip


def draw(count: int) -> SecretDraw:
    return SecretSource.installation(0).draw(torch.arange(count))


@functools.cache
def fitted(lambda_privacy: float, lambda_energy: float) -> Optics:
    values: dict[str, Any] = small_defense("optics") | {
        "steps": 40, "lr": 0.02, "paint_steps": 2, "noise": 0.0, "lambda_privacy": lambda_privacy,
        "lambda_energy": lambda_energy,
    }  # fmt: skip
    return Optics(values).fit(context())  # type: ignore[return-value]


def likeness(lens: Optics) -> float:
    """Mean cosine of captures with their pictures, to a recogniser that the lens was made to blind."""
    images = faces()["victims"].images(SOME)
    known = recognizer("toy-b").embed(images)
    seen = recognizer("toy-b").embed(lens.publish(images, draw(len(SOME))))
    return float(F.cosine_similarity(seen, known).mean())


def test_privacy_and_sharpness_are_what_the_weights_ask_for() -> None:
    private, sharp = fitted(3.0, 0.0), fitted(0.0, 10.0)
    assert likeness(private) < likeness(sharp) - 0.1
    assert outside(sharp.lens(), 4) < 0.5 * outside(private.lens(), 4)


def test_a_point_of_light_becomes_the_point_spread() -> None:
    lens = fitted(3.0, 0.0)
    dark = torch.zeros(1, 3, 32, 32)
    dark[:, :, 5, 20] = 1
    seen = lens.publish(dark, draw(1))[0]
    assert torch.allclose(seen, lens.point_spread().roll((5, 20), dims=(1, 2)), atol=1e-5)
    assert lens.point_spread().sum((1, 2)).allclose(torch.ones(3), atol=1e-4)


def test_pictures_of_any_side_pass_the_same_sensor() -> None:
    lens, images = fitted(3.0, 0.0), faces()["victims"].images(SOME[:2])
    larger = F.interpolate(images, (64, 64), mode="bilinear")
    seen = lens.publish(larger, draw(2))
    assert seen.shape == larger.shape
    assert (F.avg_pool2d(seen, 2) - lens.publish(images, draw(2))).abs().max() < 0.05


def test_the_face_sent_on_knows_the_landmarks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    lens, images = fitted(3.0, 0.0), faces()["victims"].images(SOME[:4])
    sent = lens.leak(images, Surface.WIRE, draw(4))
    assert isinstance(sent, torch.Tensor)
    assert sent.shape == images.shape
    same = lens.maps(images[:1]).expand(4, -1, -1, -1)
    monkeypatch.setattr(lens, "maps", lambda captures: same)
    sent = lens.leak(images, Surface.WIRE, draw(4))
    assert isinstance(sent, torch.Tensor)
    assert torch.allclose(sent, sent[:1].expand_as(sent), atol=1e-5)


def test_what_it_cannot_do_without_is_named() -> None:
    with pytest.raises(InputError, match=r"terms must be 4 or more, .* got 3, 0\.005"):
        Optics({"terms": 3}).fit(context())
    with pytest.raises(InputError, match="reference must be a person of the train split, 0 to 24, got 25"):
        Optics({"reference": 25}).fit(context())
    small = small_defense("optics")
    with pytest.raises(InputError, match="blinds recognisers of the protector's, and the track names none"):
        Optics(small).fit(dataclasses.replace(context(), surrogates=()))
    plain = faces()["public"]
    blind = FaceSet("train", plain.samples, plain.identities, plain.images, "blind")
    unknown = dataclasses.replace(context(), train=blind, keep=lambda name, spec, make: make())
    with pytest.raises(InputError, match="the data set of split 'train' knows none"):
        Optics(small).fit(unknown)
