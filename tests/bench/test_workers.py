"""The same board whoever runs the cells: this process, workers of this machine, workers that are stopped."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.run.engines import worker_count
from running import CELLS, SMALL, TOYS, faceleak, stable

MORE = """
[[attacks]]
name = "decoder"
settings = { steps = 10, width = 8, batch = 16, student_steps = 5, feature_batch = 8 }
knowledge = ["K0"]
[[attacks]]
name = "identity-extraction"
settings = { vector_steps = 20, map_steps = 20 }
knowledge = ["K0", "K1"]
[[attacks]]
name = "standard-ensemble"
"""


def words(folder: Path, workers: int) -> list[str]:
    out = str(folder / f"out{workers}")
    return ["run", str(folder / "t.toml"), "--plugin", str(TOYS), "--out", out, "--no-report", "--threads", "1",
            "--workers", str(workers)]  # fmt: skip


def board(folder: Path, workers: int) -> pd.DataFrame:
    """Of a run with a store of its own."""
    store = folder / f"store{workers}"
    store.mkdir(exist_ok=True)
    done = faceleak(*words(folder, workers), store=store)
    assert done.returncode == 0, done.output  # type: ignore[attr-defined]
    left = [*store.rglob("*.lock"), *store.rglob(".*"), *(folder / f"out{workers}").rglob(".*")]
    assert [path.name for path in left if path.name != "secret_root.lock"] == []
    return stable(folder / f"out{workers}" / "results.csv")


@pytest.mark.slow
def test_two_workers_give_the_board_of_one(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(SMALL + CELLS)
    assert board(tmp_path, 2).equals(board(tmp_path, 1))


@pytest.mark.slow
def test_four_workers_isolated_attacks_shared_fits_and_an_ensemble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACELEAK_IN_PROCESS", "")
    (tmp_path / "t.toml").write_text(SMALL + CELLS + MORE)
    assert board(tmp_path, 4).equals(board(tmp_path, 1))


@pytest.mark.slow
def test_stopped_it_loses_nothing_that_had_ended_and_leaves_nobody_behind(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(SMALL + CELLS + MORE)
    process, out = faceleak(*words(tmp_path, 2), store=tmp_path, wait=False), tmp_path / "out2"
    deadline = time.monotonic() + 300
    while len(list(out.glob("cells/*/state.json"))) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=120)[0]
    assert process.returncode == 130, told
    ended = {path.parent.name for path in out.glob("cells/*/state.json")}
    assert set(pd.read_csv(out / "results.csv")["cell"]) == ended
    assert not [*tmp_path.rglob("*/*.lock"), *out.glob(".*")]


def test_how_many_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    assert worker_count("3", cpu, 2) == 3
    assert 1 <= worker_count("auto", cpu, 2) <= 2
    assert worker_count("auto", torch.device("cuda:1"), 16) == 1
    for text in ("0", "-1", "many", "9999"):
        with pytest.raises(InputError, match=r"--workers .*: expected auto, or a number"):
            worker_count(text, cpu, 2)
