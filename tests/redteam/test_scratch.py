"""A temporary folder goes with its process, also when that is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from faceleak.bench.isolation import scratch
from faceleak.bench.isolation.scratch import Scratch


def test_folders_of_the_dead_are_swept_and_those_of_the_living_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch.tempfile, "gettempdir", lambda: str(tmp_path))
    for name in ("faceleak-run-dead", "faceleak-run-other"):
        (tmp_path / name / "deep").mkdir(parents=True)
    (tmp_path / "faceleak-run-dead.lock").touch()
    alive = Scratch()
    (alive.path / "file").touch()
    Scratch().close()
    assert {path.name for path in tmp_path.iterdir()} == {alive.path.name, f"{alive.path.name}.lock"}
    alive.close()
    assert not list(tmp_path.iterdir())
