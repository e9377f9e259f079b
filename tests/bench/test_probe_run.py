"""A run with probes and with several views: from the track to the rows and the board."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from faceleak.bench.core.errors import DataError
from faceleak.bench.plan.track import load_track
from faceleak.bench.record.results import read_results
from faceleak.bench.report.boards import build_boards
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.run.verify import verify_run
from systems import TOY_TRACK

CELLS = """
[[defenses]]
name = "gaussian-noise"
surfaces = ["template"]
[[attacks]]
name = "attribute-probe"
knowledge = ["K1"]
settings = { vector_steps = 40, lr = 0.02 }
[[attacks]]
name = "attribute-probe"
views = 3
knowledge = ["K1"]
settings = { vector_steps = 40, lr = 0.02 }
[[attacks]]
name = "attribute-photo"
settings = { map_steps = 40 }
[[attacks]]
name = "linear-ridge"
views = 3
knowledge = ["K0"]
[[attacks]]
name = "linear-ridge"
label = "too many"
views = 16
views_of = "person"
knowledge = ["K0"]
"""


def _run(folder: Path, labels: str) -> pd.DataFrame:
    (folder / "labels.csv").write_text(labels)
    settings = f'settings = {{ identities = 84, labels = "{folder / "labels.csv"}" }}'
    text = TOY_TRACK.replace("settings = { identities = 84 }", settings).replace(
        "bootstrap = 200", "bootstrap = 100\ndraws = 2"
    )
    (folder / "probes.toml").write_text(text + CELLS)
    track = load_track(str(folder / "probes.toml"))
    done = run_track(track, RunOptions(folder / "out", folder / "store", torch.device("cpu")))
    return read_results(done.results)


def test_rows_and_board(tmp_path: Path) -> None:
    labels = "identity,hat,tone\n" + "".join(f"p{i:03d},{'yes' if i % 2 else 'no'},{i % 3}\n" for i in range(84))
    frame = _run(tmp_path, labels)
    assert frame.loc[frame["attack"] == "too many", "status"].tolist() == ["failed"], "six photographs are not 17"
    good = frame[frame["attack"] != "too many"]
    assert set(good["status"]) <= {"ok", "absent", "refused"}
    assert good.loc[good["status"] == "refused", "metric"].str.startswith("fd_").all(), "of fewer than fifty pictures"
    probe = good[(good["attack"] == "attribute-probe") & (good["knowledge"] == "K1")].set_index("metric")
    assert {f"attribute_{m}{a}" for m in ("accuracy", "chance", "gain", "auc") for a in ("", ":hat", ":tone")} <= set(
        probe.index
    )
    assert probe.loc["attribute_auc:hat", "ci_lo"] <= probe.loc["attribute_auc:hat", "value"]
    ups = probe["higher_is_better"].astype(str).to_dict()
    assert (ups["attribute_gain:hat"], ups["attribute_auc"], ups["attribute_chance:hat"]) == ("True", "True", "")
    assert (probe["judge"] == "").all(), "no judge says what colour a hat has"
    assert not frame.loc[frame["attack"] == "attribute-probe", "flags"].str.contains("F5").any()
    ridge = good[good["attack"] == "linear-ridge (3 views)"]
    assert (ridge["metric"] == "sar_type2").any()
    board = build_boards(frame, 0.01)["attributes"]
    assert set(board["attack"]) == {"attribute-photo", "attribute-probe", "attribute-probe (3 views)"}
    assert set(board["attribute"]) == {"mean of all", "hat", "tone"}
    _verifies(tmp_path / "out", frame)


def _verifies(run: Path, frame: pd.DataFrame) -> None:
    """Every number that was read comes out of what was kept; what was read otherwise gives another."""
    verdict = verify_run(run)
    assert verdict.clean, str(verdict)
    assert not {metric for metric in verdict.without_scores if metric.startswith("attribute")}
    cell = frame.loc[frame["attack"] == "attribute-photo", "cell"].iloc[0]
    scores = run / "cells" / cell / "measure-attributes.npz"
    with np.load(scores) as archive:
        kept = dict(archive)
    np.savez(scores, **kept | {"hat/truth": 1 - kept["hat/truth"]})
    spoilt = verify_run(run)
    assert {found.cell for found in spoilt.differences} == {cell}
    assert {"attribute_accuracy", "attribute_accuracy:hat"} <= {found.key.metric for found in spoilt.differences}
    assert not any(found.key.metric.endswith(":tone") for found in spoilt.differences)
    np.savez(scores, other=np.zeros(1))
    assert "cannot be read" in verify_run(run).gaps[cell], "a file that holds nothing of what was read"


def test_a_label_file_that_misses_somebody_stops_the_run_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="identity names of the set have no row"):
        _run(tmp_path, "identity,hat\np000,no\np001,yes\n")
    assert not (tmp_path / "out").exists()
