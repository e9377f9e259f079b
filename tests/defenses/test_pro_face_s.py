"""PRO-Face S: its key, its losses, what is published and what comes back."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError, NoGradientError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.defenses.pro_face_s import (
    OBFUSCATIONS,
    ProFaceS,
    key_bits,
    obfuscated_wrong,
    password_seed,
    random_wrong,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from systems import CPU, faces, recognizer
from torch import Tensor

SOME = torch.arange(24)
SMALL = {"blocks": 1, "width": 4, "rounds": 2, "cells": 2}


def fitted(resolution: int = 16, seed: int = 0, surrogates: tuple[str, ...] = ("toy-b",), **values: Any) -> ProFaceS:
    context = FitContext(
        recognizer("toy-a"), faces()["public"], Rng(seed, "defense"), CPU, Progress(),
        tuple(recognizer(name) for name in surrogates), resolution,
    )  # fmt: skip
    return DEFENSES.get("pro-face-s")(SMALL | {"steps": 1} | values).fit(context)


@pytest.fixture(scope="module")
def trained() -> ProFaceS:
    return fitted(steps=70, blocks=2, width=8, lr=7e-3)


@pytest.fixture(scope="module")
def untrained() -> ProFaceS:
    return fitted()


def victims(side: int = 16) -> Tensor:
    return faces()["victims"].resized(SOME, side)


def draw(presentation: int = 0) -> Any:
    return SecretSource.installation(0).draw(faces()["victims"].ids[SOME], presentation)


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * (a - b).square().mean((1, 2, 3)).log10().mean())


def test_a_password_is_stretched_by_pbkdf2() -> None:
    """The well-known vector of one round, and hashlib on another."""
    assert password_seed(b"password", b"salt", 1).hex().startswith("867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5")
    assert password_seed(b"\0\1", b"s", 7) == hashlib.pbkdf2_hmac("sha512", b"\0\1", b"s", 7, dklen=64)


def test_the_map_is_the_stream_of_the_seed() -> None:
    stream = hashlib.shake_256(hashlib.pbkdf2_hmac("sha512", b"key", b"salt", 3)).digest(100)
    expected = [byte >> (7 - place) & 1 for byte in stream for place in range(8)][:797]
    assert key_bits(b"key", b"salt", 3, 797).tolist() == expected


@given(st.binary(min_size=1, max_size=20), st.data())
@settings(max_examples=25, deadline=None)
def test_one_wrong_bit_of_the_password_is_another_map(password: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, 8 * len(password) - 1))
    other = bytearray(password)
    other[place // 8] ^= 1 << place % 8
    right, wrong = (key_bits(bytes(word), b"salt", 2, 4096) for word in (password, other))
    assert abs(float(np.mean(right != wrong)) - 0.5) < 0.05, "half of the bits, six standard deviations"


def test_maps_depend_on_password_and_salt(untrained: ProFaceS) -> None:
    passwords = untrained.make_key(victims(), draw())
    assert isinstance(passwords, Tensor)
    assert passwords.dtype is torch.uint8
    assert passwords.shape == (24, 16)
    assert len(passwords.unique(dim=0)) == 24
    maps = untrained.key_maps(passwords, 6, 10)
    assert maps.shape == (24, 1, 6, 10)
    assert set(maps.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(untrained.key_maps(passwords[3:4], 6, 10), maps[3:4])
    assert not torch.equal(fitted(seed=1).key_maps(passwords, 6, 10), maps), "another installation, another salt"


def test_what_is_published_has_eight_bits_and_looks_obfuscated(trained: ProFaceS) -> None:
    x = victims()
    published = trained.leak(x, Surface.IMAGE, draw())
    assert isinstance(published, Tensor)
    assert torch.equal((255 * published).round() / 255, published)
    cover = trained.obfuscate(x)
    assert psnr(published, cover) > psnr(published, x) + 2


def test_only_the_right_password_opens(trained: ProFaceS) -> None:
    x = victims()
    published, key = trained.publish(x, draw()), trained.make_key(x, draw())
    assert isinstance(key, Tensor)
    off = key.clone()
    off[:, -1] ^= 1
    right = psnr(trained.recover(published, key), x)
    assert right > psnr(published, x) + 4, "it gives back what publishing took"
    for wrong in (off, key.roll(1, 0)):
        assert psnr(trained.recover(published, wrong), x) < right - 10
    assert psnr(trained.recover(torch.zeros_like(x), key), x) < right - 10, "the key alone holds no picture"


def test_any_even_size_is_opened(trained: ProFaceS) -> None:
    """The network sees no more than neighbourhoods: it was trained at 16 pixels."""
    x = faces()["victims"].images(SOME)[:, :, :20]
    published, key = trained.publish(x, draw()), trained.make_key(x, draw())
    assert published.shape == x.shape == (24, 3, 20, 32)
    assert isinstance(key, Tensor)
    assert psnr(trained.recover(published, key), x) > psnr(trained.recover(published, key.roll(1, 0)), x) + 3


@pytest.mark.parametrize("kind", OBFUSCATIONS)
def test_every_obfuscation_can_be_published(kind: str) -> None:
    defense, x = fitted(obfuscation=kind), victims()
    assert psnr(defense.publish(x, draw()), defense.obfuscate(x)) > 25, "hardly trained, it publishes the cover"
    assert 10 < psnr(defense.obfuscate(x), x) < 40


def distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean((1, 2, 3))


def flat(*values: float) -> list[Tensor]:
    return [torch.full((2, 3, 4, 4), value) for value in values]


def test_losses_by_hand() -> None:
    x, o, p, r, wrong = flat(0.5, 0.0, 0.1, 0.3, 0.0)
    likeness = 5 * 0.01 + 0.1
    rows = max(0.0, 4 * 0.2 - 4 * 0.5 + 1.2)
    expected = 0.3 * likeness + 0.5 * 0.2 + 0.2 * ((0.04 - 0.25 + 1.2) + rows)
    assert float(random_wrong(distance, x, o, p, r, wrong)) == pytest.approx(expected, abs=1e-4)
    expected = 0.2 * likeness + 0.3 * 0.2 + 0.5 * ((0.04 - 0.09 + 1.2) + (0.0 - 0.25 + 1.2))
    assert float(obfuscated_wrong(distance, x, o, p, r, wrong)) == pytest.approx(expected, abs=1e-6)


def test_row_triplets_are_torchs_on_whole_pictures() -> None:
    parts = [2 * Rng(i).uniform(torch.arange(3), (3, 6, 8)) - 1 for i in range(5)]
    x, o, p, r, wrong = parts
    zero = torch.zeros(3)
    rows = F.triplet_margin_loss(x, r, wrong, margin=1.2, p=1)
    got = random_wrong(lambda a, b: zero, x, o, p, r, wrong)
    rest = 0.3 * (o - p).abs().mean() + 0.5 * (r - x).abs().mean() + 0.2 * 1.2
    assert float(got) == pytest.approx(float(rest + 0.2 * rows), abs=1e-4)


def test_both_objectives_train() -> None:
    log = fitted(wrong_key="obfuscation", steps=15).log
    assert log is not None
    assert log.losses[-1] < log.losses[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [({"cells": 0}, "must be at least 1"), ({"rounds": 0}, "rounds must be positive"),
     ({"obfuscation": "sticker"}, "setting obfuscation"), ({"resolution": 15}, "15 must be even"),
     ({"surrogates": ()}, "likeness with recognisers of the protector's")],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fitted(**values)


def test_a_forward_only_recogniser_measures_no_likeness() -> None:
    with pytest.raises(NoGradientError, match="forward only"):
        fitted(surrogates=("toy-b", "toy-forward"))


def test_what_cannot_be_opened_is_refused(untrained: ProFaceS) -> None:
    x = victims()
    with pytest.raises(InputError, match="both sides must be even, got 15 x 16"):
        untrained.publish(x[:, :, 1:], draw())
    with pytest.raises(InputError, match=r"uint8 of shape \(24, 16\), and got torch.float32 of shape \(24, 16\)"):
        untrained.recover(x, torch.zeros(24, 16))
    with pytest.raises(InputError, match="several tensors"):
        untrained.recover(x, {"password": torch.zeros(24, 16)})
