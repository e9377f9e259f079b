"""`make gpu-check` without a GPU: it writes what it saw, says what it could not ask, and leaves results/gpu alone."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
GPU = TESTS.parent / "results" / "gpu"


@pytest.mark.slow
def test_a_try_on_the_cpu_writes_its_table(tmp_path: Path) -> None:
    asked = ["--device", "cpu", "--toy", "--only", "sync,bf16,contract", "--out", str(tmp_path), "--minutes", "0.5"]
    before = sorted(GPU.glob("*"))
    environment = os.environ | {"PYTEST_ADDOPTS": "-k biohash-template"}
    done = subprocess.run(
        [sys.executable, str(TESTS / "gpu" / "check.py"), *asked], capture_output=True, text=True, env=environment
    )
    assert done.returncode in (0, 1), done.stderr
    (told,) = (json.loads(file.read_text()) for file in tmp_path.glob("*.json"))
    (file,) = tmp_path.glob("*.csv")
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert (told["kind"], told["toy"]) == ("cpu", True)
    assert [row["what"] for row in rows] == [line["what"] for line in told["lines"]]
    lines = {(line["check"], line["what"]): line for line in told["lines"]}
    assert lines["sync", "a training step"]["value"] == "not asked"
    assert lines["bf16", "least cosine with fp32 embeddings"]["holds"] is True
    assert any(check == "contract" for check, _ in lines)
    assert sorted(GPU.glob("*")) == before


def test_a_device_that_is_not_there_is_said(tmp_path: Path) -> None:
    asked = [sys.executable, str(TESTS / "gpu" / "check.py"), "--device", "cuda:7", "--out", str(tmp_path)]
    done = subprocess.run(asked, capture_output=True, text=True)
    assert done.returncode == 2
    assert "this machine has no such device" in done.stderr
    assert "Traceback" not in done.stderr
