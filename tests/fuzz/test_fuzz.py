"""Every reader of other people's files, for a moment, and on all that longer runs (`make fuzz`) have found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from faceleak.bench.core.errors import InputError
from fuzz import watch as watching
from fuzz.campaign import FOUND, maker
from fuzz.targets import TARGETS
from fuzz.watch import watch

COSTLY = {"onnx": 3, "pack": 3, "results": 2, "archive": 4, "toml": 4}  # inputs, where one takes more than a moment
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the watch is kept over a child by fork")


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs_give_a_result_or_a_sentence(name: str) -> None:
    target, count = TARGETS[name], COSTLY.get(name, 8)
    read, faults = watch(target.read, maker(name, target, 1), range(count), target.suffix)
    assert (read, faults) == (count, [])


@pytest.mark.parametrize("name", [name for name in TARGETS if (FOUND / name).is_dir()])
def test_what_was_found_is_mended(name: str) -> None:
    files = sorted((FOUND / name).iterdir())
    read, faults = watch(TARGETS[name].read, lambda i: files[i].read_bytes(), range(len(files)), TARGETS[name].suffix)
    assert read == len(files)
    assert [(files[fault.number].name, fault.told) for fault in faults] == []


def test_the_watch_sees_what_it_is_kept_for() -> None:
    def read(file: Path) -> object:
        what = file.read_bytes()
        if what == b"crash":
            os.abort()
        if what == b"code":
            os.system("true")
        if what == b"caught":
            try:
                bytearray(1 << 40)
            except MemoryError as error:
                raise InputError("too large") from error
        if what == b"words":
            raise InputError("\x1b[31m" + 5000 * "x")
        return {b"memory": lambda: bytearray(1 << 40), b"error": lambda: {}["x"]}.get(what, int)()

    told = [b"fine", b"crash", b"code", b"caught", b"memory", b"error", b"words", b"fine"]
    done, faults = watch(read, told.__getitem__, range(len(told)), "")
    assert done == len(told)
    kinds = [(fault.number, fault.kind) for fault in faults]
    assert kinds == [(1, "crash"), (2, "code"), (3, "memory"), (4, "memory"), (5, "error")]


@pytest.mark.slow
def test_the_watch_ends_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0)

    def read(file: Path) -> object:
        return sum(1 for _ in iter(int, 1)) if file.read_bytes() == b"hang" else None

    done, faults = watch(read, [b"fine", b"hang", b"fine"].__getitem__, range(3), "")
    assert done == 3
    assert [(fault.number, fault.kind) for fault in faults] == [(1, "hang")]
