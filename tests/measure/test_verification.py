"""What a handful of victims can be asked, and what not."""

from __future__ import annotations

from pathlib import Path

import torch
from faceleak.bench.core.progress import Progress
from faceleak.bench.plan.track import load_track
from faceleak.bench.record.results import read_results
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.run.verify import verify_run
from systems import TRAINED_TRACK


def test_two_victims_fill_no_ten_folds_and_everything_else_is_measured(tmp_path: Path) -> None:
    text = TRAINED_TRACK.replace("min_images = 2, identities = 8", "min_images = 2, identities = 2")
    text += (
        '[[targets]]\nrecognizer = "mine"\njudges = ["judge"]\n[[defenses]]\nname = "none"\nsurfaces = ["template"]\n'
    )
    text += '[[defenses]]\nname = "quantise"\n[[attacks]]\nname = "mean-face"\n'
    (tmp_path / "t.toml").write_text(text)
    options = RunOptions(tmp_path / "run", tmp_path / "store", torch.device("cpu"), progress=Progress(quiet=True))
    assert run_track(load_track(str(tmp_path / "t.toml")), options).failed == 0
    rows = read_results(tmp_path / "run" / "results.csv")
    own = rows[rows["attack"] == ""]
    assert set(own[own["metric"] == "accuracy"]["status"]) == {"absent"}
    assert own[own["metric"] == "eer"]["value"].notna().all()
    assert not (rows["metric"] == "accuracy_undefended_difference").any()
    assert verify_run(tmp_path / "run").clean
