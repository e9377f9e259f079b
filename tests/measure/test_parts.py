"""The parts of a cell: who measures, what happens where a measurement fails, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from faceleak import Case, Measurement, Metric, Rules, TrackError, register_measurement
from faceleak.bench.measure.parts import measurements_of
from faceleak.bench.plan.cells import cells
from faceleak.bench.plan.track import Track, load_track
from faceleak.bench.record.results import read_results
from faceleak.bench.report.boards import build_boards
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.run.verify import verify_run
from systems import TOY_TRACK

CELLS = '[[defenses]]\nname = "none"\nsurfaces = ["template"]\n[[attacks]]\nname = "mean-face"\n'


class Brightness(Measurement):
    """How bright recoveries are."""

    metrics = (Metric("brightness", "1", "", "How bright recoveries are.", "brightness"),)
    fails = False
    keeps: object = np.array(1.0)

    def observe(self, case: Case) -> dict[str, np.ndarray]:
        if self.fails:
            raise ZeroDivisionError("too dark")
        return {"owner": case.owner, "mean": self.keeps}  # type: ignore[dict-item]

    def rows(self, kept: dict[str, np.ndarray], rules: Rules) -> Iterator[dict[str, object]]:
        yield rules.number(self.metrics[0], float(kept["mean"]))


class Other(Brightness):
    """Its row is of no metric that it declares."""

    metrics = (Metric("darkness", "1", "", "How dark."),)

    def rows(self, kept: dict[str, np.ndarray], rules: Rules) -> Iterator[dict[str, object]]:
        yield rules.number(Brightness.metrics[0], 1.0)


def track(folder: Path, protocol: str = "") -> Track:
    (folder / "t.toml").write_text(TOY_TRACK.replace("pictures = 2", f"pictures = 2\n{protocol}") + CELLS)
    return load_track(str(folder / "t.toml"))


def options(folder: Path) -> RunOptions:
    return RunOptions(folder / "run", folder / "store", torch.device("cpu"))


def test_one_that_fails_leaves_the_others_standing_and_is_tried_again(
    tmp_path: Path, own_registries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_track(track(tmp_path), options(tmp_path))
    before = read_results(tmp_path / "run/results.csv")
    register_measurement("brightness")(Brightness)
    monkeypatch.setattr(Brightness, "fails", True)
    assert run_track(track(tmp_path), options(tmp_path)).failed == 1
    table = read_results(tmp_path / "run/results.csv")
    failed = table[table["metric"] == "cell"]
    assert failed["status"].tolist() == ["failed"]
    assert len(table) == len(before) + 1
    assert table.loc[table["metric"] != "cell", "status"].tolist() == before["status"].tolist()
    assert "too dark" in (tmp_path / "run/failures.csv").read_text()
    board = build_boards(table)["attacks"]
    assert board[["status", "n_failed"]].to_numpy().tolist() == [["ok", 1]], "a number, and a failure to see"
    monkeypatch.setattr(Brightness, "fails", False)
    assert run_track(track(tmp_path), options(tmp_path)).done == 1
    table = read_results(tmp_path / "run/results.csv")
    assert table.loc[table["metric"] == "brightness", "value"].tolist() == [1.0]
    assert len(table) == len(before) + 1
    assert verify_run(tmp_path / "run").clean


def test_a_track_names_who_measures(tmp_path: Path) -> None:
    run_track(track(tmp_path), options(tmp_path))
    fewer = track(tmp_path, 'measure = ["identity", "c*"]')
    summary = run_track(fewer, options(tmp_path))
    assert summary.failed == 0
    table = read_results(tmp_path / "run/results.csv")
    assert set(table["metric"]) == {"sar_type1", "sar_type2", "cosine", "protect_ms", "leak_bytes"}
    assert not list((tmp_path / "run/cells").glob("*/measure-ranks.npz"))
    assert verify_run(tmp_path / "run").clean
    assert run_track(fewer, options(tmp_path)).done == 0
    told = json.loads((tmp_path / "run/manifest.json").read_text())["metrics"]
    assert told["sar_type2"]["better"] == "higher"
    assert "psnr" not in told
    with pytest.raises(TrackError, match=r"no measurement is called 'identiti'; did you mean 'identity'"):
        measurements_of(track(tmp_path, 'measure = ["identiti"]').protocol, cells(fewer)[0])


@pytest.mark.parametrize(
    ("kind", "keeps", "says"), [(Brightness, 0.5, "keeps 'mean' as float"), (Other, None, "has a")]
)
def test_what_breaks_the_contract_is_said(
    tmp_path: Path,
    own_registries: None,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Brightness],
    keeps: object,
    says: str,
) -> None:
    register_measurement("mine")(kind)
    monkeypatch.setattr(kind, "keeps", np.array(1.0) if keeps is None else keeps)
    run_track(track(tmp_path), options(tmp_path))
    assert f"Measurement 'mine' {says}" in (tmp_path / "run/failures.csv").read_text()
