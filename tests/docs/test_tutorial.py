"""The notebook: its code runs from top to bottom, and its outputs are there for who only reads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import DOCS

NOTEBOOK = json.loads((DOCS / "tutorial.ipynb").read_text(encoding="utf-8"))
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_every_cell_was_executed_in_order_and_ended_well() -> None:
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    outputs = [output for cell in CELLS for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 2
    assert (DOCS / "tutorial.ipynb").stat().st_size < 1_000_000
    written = re.sub(r'"image/png": "[^"]*"', "", json.dumps(NOTEBOOK))
    assert not re.findall(r"(?<![\w.:/<-])/[\w.-]+/[\w./-]*", written), "paths of the machine on which it was run"


@pytest.mark.slow
def test_the_code_runs(tmp_path: Path) -> None:
    source = "\n\n".join("".join(cell["source"]) for cell in CELLS)
    (tmp_path / "tutorial.py").write_text(source, encoding="utf-8")
    words = {"MPLBACKEND": "Agg", "FACELEAK_STORE": str(tmp_path / "store"), "FACELEAK_SECRET_ROOT": "none"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(tmp_path / "tutorial.py")],
        cwd=tmp_path, env=os.environ | words, capture_output=True, text=True, timeout=3000,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "17 of 60: 0.28" in done.stdout
