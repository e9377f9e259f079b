"""Artefacts appear whole or not at all, are made once, and never change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from faceleak.bench.store import durable
from faceleak.bench.store import store as store_module
from faceleak.bench.store.recipe import Recipe, digest
from faceleak.bench.store.store import SEAL, Busy, Store
from faceleak.bench.store.sweep import sweep_all
from filelock import FileLock

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


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def shortened(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def altered(file: Path) -> None:
    file.write_bytes(b"?" * file.stat().st_size)


@pytest.mark.parametrize("spoil", [emptied, shortened, altered, Path.unlink])
@pytest.mark.parametrize("name", ["tensors.safetensors", "meta.json", "deep/table.parquet", SEAL])
def test_a_broken_artefact_is_made_anew_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None], name: str
) -> None:
    def build(folder: Path) -> None:
        (folder / "deep").mkdir()
        for file in ("tensors.safetensors", "meta.json", "deep/table.parquet"):
            (folder / file).write_text(f"what {file} says")

    made = Store(tmp_path).make(ONE, build)
    before = {file: file.read_bytes() for file in made.rglob("*") if file.is_file()}
    spoil(made / name)
    assert Store(tmp_path).make(ONE, build) == made
    assert {file: file.read_bytes() for file in made.rglob("*") if file.is_file()} == before
    assert f"kind/{ONE.key}/{name} " in caplog.text
    assert "made anew" in caplog.text
    Store(tmp_path).make(BARE, build)
    assert {path.name for path in (tmp_path / "kind").iterdir()} == {ONE.key, BARE.key}, "the broken one is gone"


def test_parts_of_a_large_file_tell_that_it_was_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "_WHOLE", 1 << 20)
    store = Store(tmp_path)
    file = store.make(ONE, lambda folder: (folder / "x").write_bytes(bytes(range(256)) * (1 << 14)) and None) / "x"
    with file.open("r+b") as stream:
        stream.seek(1 << 20)
        stream.write(bytes(1 << 20))  # a hole of zeros, as a power cut leaves it
    assert not Store(tmp_path)._is_whole(file.parent)


def test_what_dead_processes_left_is_swept_and_what_living_ones_make_is_not(tmp_path: Path) -> None:
    kind = tmp_path / "kind"
    for key in ("dead", "alive"):
        (kind / f".{key}.123.abc").mkdir(parents=True)
        (kind / f".{key}.123.abc" / "half").write_text("x")
        (kind / f"{key}.lock").touch()
    with FileLock(kind / "alive.lock"):
        Store(tmp_path).make(BARE, lambda folder: None)
    assert {path.name for path in kind.iterdir()} == {BARE.key, ".alive.123.abc", "alive.lock"}


def test_one_made_from_another_of_its_kind(tmp_path: Path) -> None:
    """While the outer one is made, its lock is held by the same process."""
    store = Store(tmp_path)
    store.make(ONE, lambda folder: store.make(BARE, lambda inner: None) and None)
    assert {path.name for path in (tmp_path / "kind").iterdir()} == {ONE.key, BARE.key}


def test_who_defers_goes_away_where_it_would_wait_and_finds_it_later(tmp_path: Path) -> None:
    lock = tmp_path / "kind" / f"{BARE.key}.lock"
    lock.parent.mkdir()
    store = Store(tmp_path)
    with FileLock(lock), store.deferring(), pytest.raises(Busy) as busy:
        store.make(BARE, lambda folder: None)
    assert busy.value.lock == lock
    assert not isinstance(busy.value, Exception), "no cell takes it for its own failure"
    with store.deferring():
        assert store.make(BARE, lambda folder: None).is_dir()
    assert {path.name for path in lock.parent.iterdir()} == {BARE.key}, "no lock is left"


def test_much_work_is_not_thrown_away_for_a_short_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "PATIENCE_S", -1.0)
    held, may_go = threading.Event(), threading.Event()

    def build(folder: Path) -> None:
        held.set()
        may_go.wait(10)

    other = threading.Thread(target=lambda: Store(tmp_path).make(BARE, build))
    other.start()
    held.wait(10)
    threading.Timer(0.1, may_go.set).start()
    store = Store(tmp_path)
    with store.deferring():
        assert store.make(BARE, lambda folder: None).is_dir()
    other.join()


def test_leftovers_of_a_dead_maker_go_when_another_one_makes_the_thing(tmp_path: Path) -> None:
    """Also where this store was swept before the other died."""
    store = Store(tmp_path)
    store.make(ONE, lambda folder: None)
    (tmp_path / "kind" / f".{BARE.key}.1.dead").mkdir()
    store.make(BARE, lambda folder: None)
    assert {path.name for path in (tmp_path / "kind").iterdir()} == {ONE.key, BARE.key}


def test_a_sweep_of_everything_leaves_whole_artefacts_and_what_lives(tmp_path: Path) -> None:
    for kind in ("one", "two"):
        Store(tmp_path).make(Recipe(kind, {}, ""), lambda folder: None)
        (tmp_path / kind / ".dead.1.x").mkdir()
        (tmp_path / kind / "dead.lock").touch()
    with FileLock(tmp_path / "two" / "alive.lock"):
        sweep_all(tmp_path)
        left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*")}
    assert left == {f"{kind}/{Recipe(kind, {}, '').key}" for kind in ("one", "two")} | {"two/alive.lock"}
