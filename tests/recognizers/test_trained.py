"""Recognisers trained here, on smooth random patterns that stand in for faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import RECOGNIZERS
from faceleak.bench.core.seeding import Rng
from faceleak.bench.recognizers.base import BuildContext, Recognizer
from faceleak.bench.recognizers.trained import SmallSettings, TrainedRecognizer, augmented
from safetensors.torch import save_file
from torch import Tensor

from .pack import context

KINDS = ["small-resnet", "small-mobilenet", "small-vgg"]
QUICK: dict[str, Any] = {"size": 32, "dim": 32, "steps": 70, "batch": 24}


def patterns(people: int = 12, each: int = 8, first: int = 0) -> FaceSet:
    """A smooth random picture per person, a little other in each photograph."""
    person = torch.arange(people).repeat_interleave(each) + first
    photo = torch.arange(people * each) + first * each
    coarse = 0.5 + 0.2 * Rng(0, "person").normal(person, (3, 4, 4)) + 0.05 * Rng(0, "photo").normal(photo, (3, 4, 4))
    x = F.interpolate(coarse, (32, 32), mode="bilinear").clamp(0, 1)
    names = [f"{p}/{i}" for p, i in zip(person.tolist(), photo.tolist(), strict=True)]
    return FaceSet("train", names, [str(p) for p in person.tolist()], lambda i: x[torch.as_tensor(i)], "patterns")


def build(kind: str, seed: int = 0, **settings: Any) -> TrainedRecognizer:
    recognizer = RECOGNIZERS.get(kind)({**QUICK, **settings})
    assert isinstance(recognizer, TrainedRecognizer)
    recognizer.build(context(patterns(), seed))
    return recognizer


@pytest.fixture(scope="module")
def built() -> dict[str, TrainedRecognizer]:
    return {kind: build(kind) for kind in KINDS}


@pytest.fixture(scope="module")
def strangers() -> FaceSet:
    """People that no recogniser was trained on."""
    return patterns(10, 4, first=100)


@pytest.mark.parametrize("kind", KINDS)
def test_learns(kind: str, built: dict[str, TrainedRecognizer], strangers: FaceSet) -> None:
    losses = built[kind].log.losses
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    z = built[kind].embed(strangers.resized(torch.arange(40), 32))
    same = strangers.labels[:, None] == strangers.labels[None]
    cos = z @ z.T
    assert float(cos[same & ~torch.eye(40, dtype=torch.bool)].mean()) > float(cos[~same].mean()) + 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_save_and_load_bit_identical(
    kind: str, built: dict[str, TrainedRecognizer], strangers: FaceSet, tmp_path: Path
) -> None:
    x = strangers.resized(torch.arange(9), 32)
    built[kind].save(tmp_path / "w.safetensors")
    loaded = RECOGNIZERS.get(kind)(QUICK).load(tmp_path / "w.safetensors", context())
    assert torch.equal(loaded.embed(x), built[kind].embed(x))
    assert (loaded.size, loaded.dim, loaded.family) == (32, 32, kind)
    assert loaded.provenance == {"trained": "12 identities, 96 images"}, "what it learnt from"
    assert not any(p.requires_grad for p in loaded.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_do_not_depend_on_the_batch(
    kind: str, built: dict[str, TrainedRecognizer], strangers: FaceSet
) -> None:
    x = strangers.resized(torch.arange(7), 32)
    assert torch.allclose(built[kind].embed(x, batch=3), built[kind].embed(x), atol=1e-5)
    assert torch.allclose(built[kind].embed(x.flip(0)).flip(0), built[kind].embed(x), atol=1e-5)


def test_same_seed_same_weights(built: dict[str, TrainedRecognizer]) -> None:
    before = torch.get_rng_state()
    torch.rand(3)  # the global generator must not matter
    again = build("small-vgg").state_dict()
    first = built["small-vgg"].state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    one, other = (build("small-vgg", seed, steps=2).state_dict()["net.head.project.weight"] for seed in (0, 1))
    assert not torch.equal(one, other)
    torch.set_rng_state(before)


def test_stays_frozen_inside_another_module(built: dict[str, TrainedRecognizer], strangers: FaceSet) -> None:
    x = strangers.resized(torch.arange(6), 32)
    z = built["small-resnet"].embed(x)
    outer = torch.nn.ModuleList([built["small-resnet"]]).train()
    outer[0](x)
    assert not any(module.training for module in built["small-resnet"].modules())
    assert torch.equal(built["small-resnet"].embed(x), z)


def test_input_contract(built: dict[str, TrainedRecognizer]) -> None:
    recognizer: Recognizer = built["small-vgg"]
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        recognizer.embed(torch.full((1, 3, 32, 32), 2.0))
    with pytest.raises(InputError, match="3 channels"):
        recognizer.embed(torch.zeros(1, 1, 32, 32))
    with pytest.raises(InputError, match="float tensor"):
        recognizer.embed(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    z = recognizer.embed(torch.rand(2, 3, 48, 40))  # other sizes are resized
    assert z.shape == (2, 32)
    assert torch.allclose(z.norm(dim=1), torch.ones(2), atol=1e-5)
    assert recognizer.embed(torch.zeros(0, 3, 32, 32)).shape == (0, 32)


def test_gradient_reaches_the_image(built: dict[str, TrainedRecognizer]) -> None:
    x = torch.rand(2, 3, 40, 40, requires_grad=True)
    built["small-resnet"](x)[:, 0].sum().backward()
    assert x.grad is not None
    assert bool((x.grad.abs().amax(dim=(1, 2, 3)) > 0).all())


def test_no_train_split() -> None:
    with pytest.raises(InputError, match="must be trained, and got 0 identities"):
        RECOGNIZERS.get("small-vgg")(QUICK).build(context())


def test_loading_what_is_something_else(built: dict[str, TrainedRecognizer], tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    built["small-vgg"].save(path)

    def load(kind: str, **settings: Any) -> None:
        RECOGNIZERS.get(kind)({**QUICK, **settings}).load(path, context())

    with pytest.raises(InputError, match=r"holds recogniser 'small-vgg'.*not 'small-resnet'.*train again"):
        load("small-resnet")
    with pytest.raises(InputError, match="holds recogniser 'small-vgg'"):
        load("small-vgg", steps=41)
    save_file({"a": torch.zeros(1)}, path, {"recognizer": "small-vgg", "settings": built["small-vgg"]._settings_text()})
    with pytest.raises(InputError, match="does not fit the network"):
        load("small-vgg")
    path.write_bytes(b"cut")
    with pytest.raises(InputError, match="is not a saved recogniser"):
        load("small-vgg")
    path.unlink()
    with pytest.raises(InputError, match="is not a saved recogniser"):
        load("small-vgg")


def test_what_brings_its_own_weights_is_not_saved(tmp_path: Path) -> None:
    recognizer = RECOGNIZERS.get("onnx")({"path": "x.onnx", "family": "x"})
    with pytest.raises(InputError, match="keep its own weights file"):
        recognizer.save(tmp_path / "w")
    with pytest.raises(InputError, match="a file of its own"):
        recognizer.load(tmp_path / "w", context())


class TestAugmentation:
    x: Tensor = patterns().resized(torch.arange(6), 32)
    ids: Tensor = torch.arange(6)

    def test_depends_on_the_sample_only(self) -> None:
        rng, settings = Rng(0, "augment"), SmallSettings()
        whole = augmented(self.x, self.ids, rng, settings)
        parts = torch.cat([augmented(self.x[i : i + 1], self.ids[i : i + 1], rng, settings) for i in range(6)])
        assert torch.allclose(whole, parts, atol=1e-6)
        assert float(whole.min()) >= 0
        assert float(whole.max()) <= 1

    def test_nothing_but_the_mirror(self) -> None:
        still = SmallSettings(shift=0, zoom=0, brightness=0, contrast=0)
        y = augmented(self.x, self.ids, Rng(0), still)
        kept = [bool(torch.allclose(a, b, atol=1e-5)) for a, b in zip(y, self.x)]
        mirrored = [bool(torch.allclose(a, b.flip(2), atol=1e-5)) for a, b in zip(y, self.x)]
        assert all(k != m for k, m in zip(kept, mirrored))
        assert any(kept)
        assert any(mirrored)


def test_progress_is_the_loops(capsys: pytest.CaptureFixture[str]) -> None:
    recognizer = RECOGNIZERS.get("small-vgg")({**QUICK, "steps": 2})
    quiet = BuildContext(patterns(), Rng(0), torch.device("cpu"), Progress(quiet=True))
    recognizer.build(quiet)
    assert capsys.readouterr() == ("", "")
