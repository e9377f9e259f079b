"""Labels that a spreadsheet would run: no table of a run folder holds one, and every reader gets the label back."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import torch
from faceleak import load_results
from faceleak.bench.plan.track import load_track
from faceleak.bench.record.results import read_results, write_results
from faceleak.bench.report import make_report
from faceleak.bench.run.collect import read_failures
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.run.verify import verify_run
from systems import TOY_TRACK

DEFENSE, ATTACK, FAILS = "=HYPERLINK(1)", "@mean;-face", "'+refused"
TRACK = f"""{TOY_TRACK}
[[defenses]]
name = "none"
surfaces = ["template"]
[[defenses]]
name = "quantise"
label = "{DEFENSE}"
surfaces = ["template"]
[[attacks]]
name = "mean-face"
label = "{ATTACK}"
[[attacks]]
name = "recovery-unet"
label = "{FAILS}"
surfaces = ["template"]
"""


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formulas")
    (folder / "t.toml").write_text(TRACK, encoding="utf-8")
    options = RunOptions(folder / "run", folder / "store", torch.device("cpu"))
    run_track(load_track(str(folder / "t.toml")), options)
    make_report(folder / "run")
    return folder / "run"


def test_no_table_holds_a_formula(run: Path) -> None:
    files = [file for file in run.rglob("*.csv") if file.name != "loss.csv"]
    assert {"results.csv", "failures.csv", "splits.csv", "defenses.csv"} <= {file.name for file in files}
    for file in files:
        with file.open(newline="", encoding="utf-8") as opened:
            for line in csv.reader(opened):
                text = [cell for cell in line if not is_number(cell)]
                assert not [cell for cell in text if re.search(r"(^|[;\t\n])\s*[=+@-]", cell)], file
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert "'=HYPERLINK(1)" in text
    assert ",=HYPERLINK" not in text


def test_readers_get_the_labels_back(run: Path) -> None:
    rows = load_results(run)
    assert {DEFENSE, "none"} == set(rows["defense"])
    assert ATTACK in set(rows["attack"])
    assert DEFENSE in set(load_results(run, "defenses")["defense"])
    assert verify_run(run).clean, str(verify_run(run))
    if len(failed := read_failures(run / "failures.csv")):
        assert FAILS in set(failed["attack"])


def test_written_again_it_is_the_same_file(run: Path, tmp_path: Path) -> None:
    rows = read_results(run / "results.csv")
    write_results(rows.to_dict("records"), tmp_path / "again.csv")
    assert read_results(tmp_path / "again.csv")["defense"].tolist() == rows["defense"].tolist()
