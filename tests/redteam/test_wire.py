"""Messages between processes: what is sent arrives as it was, and nothing that runs arrives at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from faceleak.bench.core.errors import BudgetError, InputError, ThreatModelError
from faceleak.bench.core.seeding import Rng
from faceleak.bench.isolation.roots import VARIABLE, SecretRoot, secret_root
from faceleak.bench.isolation.wire import AttackError, Peer, ProcessDied

CPU = torch.device("cpu")


def _raises(error: Exception) -> Callable[[], None]:
    def answer() -> None:
        raise error

    return answer


class Strange(Exception):
    pass


@pytest.fixture
def peer() -> Iterator[Peer]:
    """An end whose other end hands everything back."""
    ours, theirs = socket.socketpair()
    other: Peer = Peer(Connection(theirs.detach()), {}, CPU)
    answers = {
        "echo": lambda value: value,
        "twice": lambda: other.call("own") * 2,
        "budget": _raises(BudgetError("too many")),
        "strange": _raises(Strange("what is this")),
    }
    other._answers = answers
    thread = threading.Thread(target=other.serve)
    thread.start()
    mine = Peer(Connection(ours.detach()), {"own": lambda: 21}, CPU)
    yield mine
    mine.close()
    thread.join()
    other.close()


@pytest.mark.parametrize(
    "value",
    [
        torch.rand(2, 3),
        torch.rand(0, 3),
        torch.tensor(1.5),
        torch.tensor([True, False]),
        torch.arange(4),
        torch.rand(3, 2, dtype=torch.float16).bfloat16(),
        torch.rand(4, 3).T,
        torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last),
    ],
)
def test_tensors_arrive_as_they_were(peer: Peer, value: torch.Tensor) -> None:
    found = peer.call("echo", value=value)
    assert found.dtype == value.dtype
    assert found.shape == value.shape
    assert torch.equal(found, value)
    if value.ndim == 4:
        assert found.is_contiguous(memory_format=torch.channels_last), "the layout decides last digits"


def test_plain_values_arrive_and_others_are_refused(peer: Peer) -> None:
    value: dict[str, Any] = {"a": [1, 2.5, None, "x", True], "b": {"c": torch.ones(2)}, "d": b"bytes"}
    found = peer.call("echo", value=value)
    assert torch.equal(found.pop("b")["c"], value.pop("b")["c"])
    assert found == value
    with pytest.raises(TypeError, match="cannot be sent"):
        peer.call("echo", value=Strange())


def test_a_question_may_be_answered_by_a_question(peer: Peer) -> None:
    assert peer.call("twice") == 42


def test_errors_keep_their_class_where_it_is_known(peer: Peer) -> None:
    with pytest.raises(BudgetError, match="too many"):
        peer.call("budget")
    with pytest.raises(AttackError, match="Strange: what is this"):
        peer.call("strange")
    with pytest.raises(ThreatModelError, match="nothing that can be asked for"):
        peer.call("__class__")


def test_an_end_that_died_is_an_error() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    peer = Peer(Connection(ours.detach()), {}, CPU)
    with pytest.raises(ProcessDied, match="out of memory"):
        peer.call("echo", value=1)
    peer.close()


def test_secrets_follow_from_the_root_and_not_from_the_seed() -> None:
    one, other = SecretRoot(b"1" * 32), SecretRoot(b"2" * 32)
    ids = torch.arange(3)
    keys = [root.installation(0).deployment.uniform(ids) for root in (one, other)]
    assert not torch.equal(*keys)
    assert torch.equal(keys[0], SecretRoot(b"1" * 32).installation(0).deployment.uniform(ids))
    assert not torch.equal(keys[0], Rng(0, "deployment", 0).uniform(ids))
    assert one.seed(0, "installation") not in {one.seed(0, "adversary"), one.seed(1, "installation")}


@pytest.mark.parametrize("left", ["", "00ff", "not hex at all"])
def test_a_broken_root_is_made_anew_and_named(left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    said: list[str] = []
    first = secret_root(tmp_path, said.append)
    assert secret_root(tmp_path, said.append) == first
    assert not said
    (tmp_path / "secret_root").write_text(left, encoding="utf-8")
    second = secret_root(tmp_path, said.append)
    assert second != first
    assert len(second.entropy) == 32
    assert "made anew" in " ".join(said)
    monkeypatch.setenv(VARIABLE, left or "zz")
    with pytest.raises(InputError, match="64 hex digits"):
        secret_root(tmp_path)
