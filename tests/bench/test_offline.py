"""Nothing is downloaded: a whole run, its report and what looks at them ask no network for anything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from faceleak.bench.cli.main import app
from systems import TOY_TRACK
from typer.testing import CliRunner

ASKS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg")
_asked: list[str] | None = None
TRACK = f"""{TOY_TRACK}
[[defenses]]
name = "none"
surfaces = ["template"]
[[attacks]]
name = "mean-face"
"""


def _hear(event: str, words: tuple[Any, ...]) -> None:
    if _asked is not None and event in ASKS and not (len(words) > 1 and isinstance(words[1], str | bytes)):
        _asked.append(f"{event} {words[1:]}")  # a path is a socket of this machine
        raise ConnectionError("this test has no network")


sys.addaudithook(_hear)  # cannot be taken away again: it hears while there is a list


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setitem(globals(), "_asked", [])
    return globals()["_asked"]


def test_a_run_asks_no_network(asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.toml").write_text(TRACK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    commands = (
        ["list", "attacks"], ["doctor", "t.toml"], ["run", "t.toml", "--out", "run", "--store", "store", "--quiet"],
        ["verify", "run"], ["report", "run"],
    )  # fmt: skip
    for words in commands:
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (words, done.output, done.exception)
    assert asked == []


def test_the_test_would_hear_it(asked: list[str]) -> None:
    import socket

    with pytest.raises(ConnectionError):
        socket.create_connection(("192.0.2.1", 9), timeout=1)
    assert asked
