"""``faceleak verify --rerun``: an honest run comes out as written, a number that was made up does not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.plan.track import load_track
from faceleak.bench.prepare.session import Session
from faceleak.bench.report.load import load_run
from faceleak.bench.run.rerun import Rerun, drawn, rerun, track_of
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.store.store import Store
from systems import TOY_TRACK

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rerun")
    track = TOY_TRACK.replace("[protocol]", '[protocol]\nmeasure = ["identity"]')
    (folder / "t.toml").write_text(track + '[[defenses]]\nname = "none"\n[[attacks]]\nname = "linear-ridge"\n')
    run_track(load_track(str(folder / "t.toml")), RunOptions(folder / "run", folder / "store", torch.device("cpu")))
    return folder / "run"


def again(run: Path, work: Path) -> Rerun:
    read = load_run(run)
    track = track_of(read)
    session = Session(track, Store(work / "store"), torch.device("cpu"), Progress())
    chosen = [cell for cell in drawn(read, track, 1.0, 0) if cell.attack]
    return rerun(read, session, chosen, work / "cells")


def test_what_was_measured_comes_out_again_and_what_was_made_up_does_not(finished: Path, tmp_path: Path) -> None:
    honest = again(finished, tmp_path / "a")
    assert honest.clean
    assert honest.same > 10
    rows = pd.read_csv(finished / "results.csv", dtype=str, keep_default_na=False)
    lied = (rows["metric"] == "sar_type2") & (rows["split"] == "victims")
    rows.loc[lied, ["value", "ci_lo", "ci_hi"]] = ["0.01", "0.005", "0.02"]
    rows.to_csv(finished / "results.csv", index=False)
    found = again(finished, tmp_path / "b")
    assert not found.clean
    assert {one.key.metric for one in found.departures} == {"sar_type2"}
    assert "written 0.01, anew" in str(found)


def test_a_share_is_a_share(finished: Path) -> None:
    read = load_run(finished)
    track = track_of(read)
    assert len(drawn(read, track, 0.1, 3)) == 1
    with pytest.raises(InputError, match=r"lies in \(0, 1\]"):
        drawn(read, track, 1.5, 0)
