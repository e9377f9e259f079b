"""results/perf.csv says what was measured: its form, and goals from one table. Whether they hold, it says itself."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest
from perf.goals import GOALS, Goal
from perf.pairs import ratio

ROOT = Path(__file__).resolve().parent.parent.parent
COLUMNS = [
    "name", "compares", "value", "unit", "goal", "holds", "low", "high", "note", "cpu", "cores", "torch", "command",
    "commit",
]  # fmt: skip


def check(file: Path, names: list[str]) -> None:
    """The form of a table."""
    with file.open(newline="", encoding="utf-8") as text:
        reader = csv.DictReader(text)
        assert reader.fieldnames == COLUMNS
        rows = list(reader)
    assert sorted(row["name"] for row in rows) == sorted(names), "each once, in the order in which they were measured"
    for row in rows:
        goal = GOALS[row["name"]]
        assert (row["compares"], row["unit"], row["goal"]) == (goal.compares, goal.unit, goal.goal)
        if row["value"]:
            assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
            assert row["holds"] == {True: "hold", False: "miss", None: ""}[goal.holds(float(row["value"]))]
        else:
            assert row["holds"] in ("absent", "breaks")
            assert row["note"].startswith(row["holds"])
        assert "OTHER" not in row["note"], "two sides that did not compute the same were compared"
        assert row["cpu"]
        assert int(row["cores"]) >= 1
        assert re.fullmatch(r"\d+\.\d+.*", row["torch"])
        assert row["command"].startswith("make perf")
        assert re.fullmatch(r"([0-9a-f]{40})?(\+changes)?", row["commit"])
        assert not re.search(r"(^|[\s'\"])/\w+/", " ".join(row.values())), "a folder of this machine"


def test_the_committed_table_is_whole_and_of_a_commit() -> None:
    file = ROOT / "results" / "perf.csv"
    if not file.is_file():
        pytest.skip("nothing was measured yet: make perf")
    check(file, list(GOALS))
    with file.open(newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    assert len({(row["cpu"], row["cores"], row["torch"], row["command"], row["commit"]) for row in rows}) == 1
    assert rows[0]["command"] == "make perf"


def test_goals_are_read_as_they_are_written() -> None:
    for goal in GOALS.values():
        assert re.fullmatch(r"([<>]= \d+(\.\d+)?)?", goal.goal)
        assert goal.unit in ("x", "s", "MiB", "exponent")
    assert Goal("", "x", ">= 6").holds(6.0)
    assert Goal("", "x", "<= 1.05").holds(1.06) is False
    assert Goal("", "s").holds(3.0) is None


def test_a_ratio_is_a_median_over_pairs_that_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = iter([0, 6, 6, 8, 8, 10, 10, 18, 18, 38, 38, 40]), []
    monkeypatch.setattr("perf.pairs.time.process_time", lambda: float(next(clock)))
    found = ratio("bdct", lambda: calls.append("a"), lambda: calls.append("b"), 3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab", "warm, then in turns"
    assert (found.value, found.low, found.high) == (4.0, 3.0, 10.0)


@pytest.mark.slow
def test_a_try_of_some_checks_writes_its_table(tmp_path: Path) -> None:
    asked = ["--toy", "--only", "transforms,intervals,searches", "--out", str(tmp_path / "perf.csv")]
    before = (ROOT / "results" / "perf.csv").is_file()
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "perf" / "measure.py"), *asked], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    check(tmp_path / "perf.csv", ["bdct", "bdct-exact", "resamples", "resamples-hierarchical", "search",
                                  "search-faiss-engine"])  # fmt: skip
    assert (ROOT / "results" / "perf.csv").is_file() == before
    asked[2] = "transforms,nothing"
    done = subprocess.run([sys.executable, str(ROOT / "tests" / "perf" / "measure.py"), *asked], capture_output=True)
    assert done.returncode == 2
