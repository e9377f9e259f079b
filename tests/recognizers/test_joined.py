"""Several recognisers as one: cosines are means of the members' cosines, gradients reach all of them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from faceleak.bench.core.errors import FaceleakError, NoGradientError
from faceleak.bench.core.seeding import Rng
from faceleak.bench.recognizers.base import Recognizer
from torch import Tensor

from .graphs import DIM, SIZE, write_graph
from .pack import make


def member(path: Path, **settings: Any) -> dict[str, Any]:
    settings = {"path": str(path), "family": "tiny", "size": SIZE, "scale": "unit", **settings}
    return {"type": "onnx", "settings": settings}


@pytest.fixture
def two(tmp_path: Path) -> list[dict[str, Any]]:
    return [member(write_graph(tmp_path / f"{seed}.onnx", seed=seed)) for seed in (0, 1)]


def images(n: int = 5) -> Tensor:
    return Rng(1).uniform(torch.arange(n), (3, SIZE, SIZE))


def test_cosines_are_means_of_the_members_and_gradients_reach_all(two: list[dict[str, Any]]) -> None:
    joined = make("joined", {"members": two})
    z, alone = joined.embed(images()), [make("onnx", one["settings"]).embed(images()) for one in two]
    assert (joined.dim, joined.size, joined.family) == (2 * DIM, SIZE, "tiny+tiny")
    assert torch.allclose(z @ z.T, sum((e @ e.T for e in alone), torch.zeros(5, 5)) / 2, atol=1e-5)
    assert joined.differentiable
    x = images().requires_grad_()
    for part in joined(x).split(DIM, dim=1):
        (gradient,) = torch.autograd.grad(part[:, 0].sum(), x, retain_graph=True)
        assert bool(gradient.any())


def test_copies_learn_and_travel(two: list[dict[str, Any]]) -> None:
    joined = make("joined", {"members": two})
    again = pickle.loads(pickle.dumps(joined))
    assert torch.allclose(again.embed(images()), joined.embed(images()), atol=1e-5)
    copied: Recognizer = joined.trainable_copy()
    weights = [p for p in copied.parameters() if p.requires_grad]
    before = copied.embed(images())
    torch.optim.SGD(weights, 1.0).zero_grad()
    copied(images())[:, 0].sum().backward()
    with torch.no_grad():
        for p in weights:
            p -= 0.1 * p.grad
    assert not torch.allclose(copied.embed(images()), before, atol=1e-4)  # no ONNX Runtime answers with old weights
    assert torch.allclose(joined.embed(images()), before, atol=1e-5)


def test_another_file_is_another_recogniser(two: list[dict[str, Any]], tmp_path: Path) -> None:
    before = make("joined", {"members": two}).describe()
    assert make("joined", {"members": two}).describe() == before
    assert make("joined", {"members": two[::-1]}).describe() != before
    write_graph(tmp_path / "1.onnx", seed=2)
    assert make("joined", {"members": two}).describe() != before


def test_what_cannot_be_joined_is_refused(two: list[dict[str, Any]], tmp_path: Path) -> None:
    for members, says in [
        (two[:1], "two members or more"),
        ([two[0], {"path": "x"}], "write it as"),
        ([two[0], {"type": "small-resnet"}], "brings its own weights"),
        ([two[0], {"type": "onxx"}], "onnx"),
    ]:
        with pytest.raises(FaceleakError, match=says):
            make("joined", {"members": members})
    forward = member(write_graph(tmp_path / "odd.onnx", kind="plain", seed=3), backend="onnxruntime")
    joined = make("joined", {"members": [two[0], forward]})
    assert not joined.differentiable
    with pytest.raises(NoGradientError, match="member 1"):
        joined(images().requires_grad_())
