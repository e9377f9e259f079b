"""Artefacts appear whole or not at all, are made once, and never change."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from faceleak.bench.recipe import Recipe, digest
from faceleak.bench.store import Store

BARE, ONE = Recipe("kind", {}, ""), Recipe("kind", {"a": 1}, "")


def test_made_once_and_kept(tmp_path: Path) -> None:
    store, made = Store(tmp_path), []

    def build(folder: Path) -> None:
        made.append(1)
        (folder / "x").write_text("done")

    first = store.make(ONE, build)
    assert store.make(ONE, build) == first
    assert (first / "x").read_text() == "done"
    assert len(made) == 1
    assert store.make(Recipe("kind", {"a": 2}, ""), build) != first


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def build(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.make(BARE, build)
    assert not store.has(BARE)
    assert [p for p in (tmp_path / "kind").iterdir() if p.is_dir()] == []


def test_two_workers_do_not_make_the_same_thing_twice(tmp_path: Path) -> None:
    store, made, gate = Store(tmp_path), [], threading.Barrier(4)

    def build(folder: Path) -> None:
        made.append(1)

    def work() -> None:
        gate.wait()
        store.make(BARE, build)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(made) == 1


def test_tensors_read_back_bit_for_bit(tmp_path: Path) -> None:
    z = torch.randn(5, 3)
    assert torch.equal(Store(tmp_path).tensors(Recipe("z", {}, ""), lambda: {"z": z})["z"], z)


def test_the_digest_does_not_depend_on_key_order() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})
