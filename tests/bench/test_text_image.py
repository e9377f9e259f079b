"""The shared text-image encoder: learnt from captions, or a CLIP by path."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from faceleak.bench.core.anatomy import Anatomy
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.seeding import Rng
from faceleak.bench.zoo.text_image import OpenClip, TextImageSettings, text_image
from torch import Tensor, nn

N, SIDE = 96, 32
COLOURS = {"red": 0, "green": 1, "blue": 2}
SIZE = TextImageSettings(text_dim=16, text_width=16, text_steps=30, text_batch=24, text_lr=0.006)


def _faces(captions: bool = True) -> FaceSet:
    """A coloured square in the upper or lower half of a grey picture, and a sentence that says so."""
    images, about = torch.full((N, 3, SIDE, SIDE), 0.4), []
    for i in range(N):
        colour, low = list(COLOURS)[i % 3], i % 2
        top = 4 + 14 * low + i % 5
        images[i, COLOURS[colour], top : top + 8, i % 20 : i % 20 + 10] = 1
        about.append(f"A {colour} square, {'low' if low else 'high'} up.")

    def anatomy(index: np.ndarray) -> Anatomy:
        said = tuple(about[i] for i in index) if captions else None
        return Anatomy(torch.zeros(len(index), 0, 2), (), captions=said)

    names = [str(i) for i in range(N)]
    return FaceSet("train", names, names, lambda index: images[torch.as_tensor(index)], "sha", anatomy=anatomy)


def _context() -> FitContext:
    return FitContext(nn.Identity(), None, Rng(0), torch.device("cpu"), Progress(), resolution=SIDE)


def test_it_tells_colours_by_name_from_single_words() -> None:
    faces = _faces()
    encoder = text_image(faces.subset(torch.arange(72), "train"), _context(), SIZE, "test")
    rest = torch.arange(72, N)
    likeness = encoder.images(faces.images(rest)) @ encoder.texts([f"a {name} square" for name in COLOURS]).T
    assert float((likeness.argmax(1) == rest % 3).float().mean()) > 0.9
    alone = encoder.images(faces.images(rest)) @ encoder.texts(list(COLOURS)).T
    assert float((alone.argmax(1) == rest % 3).float().mean()) > 0.6, "words mean something by themselves"
    assert encoder.unknown("a red hat") == ["hat"]


def test_kept_weights_know_the_same_words() -> None:
    kept: dict[str, Any] = {}

    def keep(name: str, spec: Any, make: Any) -> Any:
        if name not in kept:
            kept[name] = {key: value.clone() for key, value in make().items()}
        return kept[name]

    size = TextImageSettings(text_dim=8, text_width=8, text_steps=2, text_batch=8)
    made = []
    for _ in range(2):
        context = FitContext(nn.Identity(), None, Rng(0), torch.device("cpu"), Progress(), resolution=SIDE, keep=keep)
        made.append(text_image(_faces(), context, size, "test"))
    assert torch.equal(made[0].texts(["a red square"]), made[1].texts(["a red square"]))
    assert made[1].unknown("a red hat") == ["hat"]


def test_without_captions_a_path_is_asked_for() -> None:
    with pytest.raises(InputError, match="test needs a text-image encoder, and this data set has no sentences"):
        text_image(_faces(captions=False), _context(), SIZE, "test")


class _Clip(nn.Module):
    """What open_clip hands out, as far as it is used."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = SimpleNamespace(preprocess_cfg={"size": (8, 8), "mean": (0.5,) * 3, "std": (0.25,) * 3})

    def encode_image(self, x: Tensor) -> Tensor:
        assert x.shape[2:] == (8, 8)
        return x.mean((2, 3))

    def encode_text(self, numbers: Tensor) -> Tensor:
        return numbers.float()


def test_a_clip_by_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = tmp_path / "clip.safetensors"
    weights.write_bytes(b"weights")
    asked = TextImageSettings(text_image=str(weights), text_image_model="ViT-B-32")
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(
        InputError, match=r"needs reads text_image = .* open_clip, which is not installed; `pip install"
    ):
        text_image(_faces(captions=False), _context(), asked, "needs")

    def create_model(name: str, pretrained: str, device: torch.device) -> _Clip:
        if name != "ViT-B-32":
            raise RuntimeError(f"size mismatch for {name}")
        assert pretrained == str(weights)
        return _Clip()

    tokenize = lambda sentences: torch.tensor([[len(s), 1, 2] for s in sentences])  # noqa: E731
    fake = SimpleNamespace(create_model=create_model, get_tokenizer=lambda name: tokenize)
    monkeypatch.setitem(sys.modules, "open_clip", fake)
    encoder = text_image(_faces(captions=False), _context(), asked, "needs")
    assert isinstance(encoder, OpenClip)
    red = torch.zeros(1, 3, SIDE, SIDE)
    red[:, 0] = 1
    assert torch.allclose(encoder.images(red), torch.tensor([[1.0, -1, -1]]) / 3**0.5), "its own mean and scale"
    assert torch.allclose(encoder.texts(["ab", "c"]).norm(dim=1), torch.ones(2))
    other = TextImageSettings(text_image=str(weights), text_image_model="RN50")
    with pytest.raises(InputError, match=r"open_clip cannot read .* as a RN50 \(RuntimeError: size mismatch"):
        text_image(_faces(), _context(), other, "needs")
    gone = TextImageSettings(text_image=str(tmp_path / "gone.pt"))
    with pytest.raises(InputError, match="there is no weights file at"):
        text_image(_faces(), _context(), gone, "needs")
