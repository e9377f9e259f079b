"""Embeddings of large sets: each batch is let go before the next one comes."""

from __future__ import annotations

import weakref

import pytest
import torch
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.prepare import embeddings
from faceleak.bench.prepare.embeddings import Embeddings
from systems import CPU, faces, recognizer
from torch import Tensor


class _Watched:
    """A system that remembers what it handed out."""

    def __init__(self) -> None:
        self.handed: list[weakref.ref[Tensor]] = []
        self.alive: list[int] = []

    def embed_images(self, images: Tensor, draw: object) -> Tensor:
        z = recognizer("toy-a").embed(images)
        self.alive.append(sum(one() is not None for one in self.handed))
        self.handed.append(weakref.ref(z))
        return z


def test_a_large_set_is_not_held_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "_BATCH", 16)
    system, some = _Watched(), faces()["public"]
    kept = Embeddings(None, None, None, torch.device("cpu"), Progress())  # type: ignore[arg-type]
    z = kept._embed(system, some, SecretSource.installation(0), 0)  # type: ignore[arg-type]
    whole = recognizer("toy-a").embed(some.images(torch.arange(len(some))).to(CPU)).cpu()
    torch.testing.assert_close(z, whole)
    assert len(system.alive) == 10
    assert max(system.alive) <= 1, "parts pile up beside their sum"
