"""Workers of this machine: a dead one costs one task's repetition, and nobody waits while something can be done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from errands import Errands
from faceleak.bench.core.errors import InputError
from faceleak.bench.execute.local import Local
from faceleak.bench.execute.task import Ended, Task
from faceleak.bench.isolation.processes import Processes
from filelock import FileLock


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """One template for all tests of this file."""
    made = Processes(torch.device("cpu"))
    yield made
    made.close()


def run(processes: Processes, *errands: tuple[str, Any], told: Any = lambda ended: None) -> list[Ended]:
    engine = Local(Errands(), processes, 2, 1, 0, lambda line: None)
    ended: list[Ended] = []

    def hear(one: Ended) -> None:
        ended.append(one)
        told(ended)

    try:
        engine.run([Task(str(i), str(i), errand) for i, errand in enumerate(errands)], hear)
    finally:
        engine.close()
    return ended


def test_all_is_done_by_other_processes_also_what_a_worker_died_of(processes: Processes, tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "held.lock")
    lock.acquire()
    ended = run(
        processes, ("waits", str(tmp_path / "held.lock")), ("dies", str(tmp_path / "once")),
        ("dies", str(tmp_path / "it.always")), *[("counts", i) for i in range(6)],
        told=lambda ended: lock.release() if len(ended) == 8 else None,
    )  # fmt: skip
    by_key = {one.task.key: one for one in ended}
    assert sorted(by_key) == [str(i) for i in range(9)]
    assert [key for key, one in by_key.items() if one.lost] == ["2"]
    assert os.getpid() not in {one.result[0] for one in ended if not one.lost}
    assert ended[-1].task.key == "0", "all others ran while somebody held its lock"


@pytest.mark.slow
def test_what_nobody_could_go_on_after_ends_the_run_with_its_sentence(processes: Processes) -> None:
    with pytest.raises(InputError, match="no such thing"):
        run(processes, ("refuses", "no such thing"), ("sleeps", 60.0))
