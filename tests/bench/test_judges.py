"""Agreement of independent judges, from a run to its board and page; and who judges on the tracks of real faces."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from faceleak.bench.core.progress import Progress
from faceleak.bench.metrics.calibration import Calibration
from faceleak.bench.plan.track import TRACKS, load_track
from faceleak.bench.prepare.session import Session
from faceleak.bench.record.results import SCORES
from faceleak.bench.report.boards import boards_of
from faceleak.bench.report.load import load_run
from faceleak.bench.report.page import render_page
from faceleak.bench.run.manifest import taught_alike
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.run.verify import verify_run
from faceleak.bench.store.store import Store
from running import SMALL

CELLS = "[[defenses]]\nname = 'none'\nsurfaces = ['template']\n[[attacks]]\nname = 'other-photo'\n"
CELLS += "[[attacks]]\nname = 'decoder'\n"
CELLS += "settings = { steps = 10, width = 8, batch = 16, student_steps = 5, feature_batch = 8 }\n"
TRACK = SMALL.replace("[recognizers.b]", '[recognizers.c]\ntype = "toy-split"\n[recognizers.b]') + CELLS
TRACK = TRACK.replace('judges = ["b"]', 'judges = ["b", "c"]')
TRACK = TRACK.replace("[protocol]", '[protocol]\nheadline_fmr = 0.1\nmeasure = ["identity", "agreement"]')


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judges")
    (folder / "t.toml").write_text(TRACK)
    options = RunOptions(folder / "run", folder / "store", torch.device("cpu"), progress=Progress(quiet=True))
    run_track(load_track(str(folder / "t.toml")), options)
    return folder / "run"


def test_agreement_is_that_of_the_kept_scores(run: Path) -> None:
    """Counted from the scores that another measurement kept, one comparison at a time."""
    read = load_run(run)
    rows = read.results.set_index(["attack", "metric", "judge"])["value"]
    for cell in read.cells:
        if not cell.text("attack"):
            continue
        with np.load(cell.path / SCORES) as archive:
            kept = dict(archive)
        said = {}
        for judge in ("b", "c"):
            own = {name.removeprefix(f"{judge}/"): part for name, part in kept.items() if name.startswith(f"{judge}/")}
            threshold = Calibration.of(own).threshold(0.1)
            assert threshold is not None
            said[judge] = own["victims/other"] > threshold.value
        owner = kept["b/victims/owner"][kept["b/victims/leak"]]
        by_person = [np.mean(said["b"][owner == who] == said["c"][owner == who]) for who in np.unique(owner)]
        assert rows[cell.text("attack"), "judge_agreement", "b & c"] == pytest.approx(np.mean(by_person), rel=1e-5)
    assert verify_run(run).clean


def test_board_and_page_print_it(run: Path) -> None:
    board = boards_of(load_run(run))["judges"].set_index("attack")
    assert list(board["judges"]) == ["b & c"] * 2
    assert board.loc["decoder", "role"] == "attack"
    assert (board["agreement_lo"] <= board["agreement"]).all()
    read = load_run(run)
    page = render_page(read, boards_of(read), [], [])
    assert f"b &amp; c agree on {100 * board.loc['decoder', 'agreement']:.1f} % of decisions" in page
    assert "Do independent judges agree?" in page


def test_a_judge_of_the_targets_own_data_is_marked(tmp_path: Path) -> None:
    text = TRACK.replace('type = "toy-a"', 'type = "toy-a"\ntrained_on = "MS1M"')
    (tmp_path / "t.toml").write_text(text.replace('type = "toy-b"', 'type = "toy-b"\ntrained_on = "MS1M"'))
    track = load_track(str(tmp_path / "t.toml"))
    assert taught_alike(Session(track, Store(tmp_path), torch.device("cpu"), Progress())) == {"a": ["b"]}
    (tmp_path / "t.toml").write_text(text)
    track = load_track(str(tmp_path / "t.toml"))
    assert taught_alike(Session(track, Store(tmp_path), torch.device("cpu"), Progress())) == {}


REAL = sorted(file.stem for file in TRACKS.glob("lfw*.toml") if file.stem != "lfw-ci")  # a check of minutes, no board


@pytest.mark.parametrize("name", REAL)
def test_two_independent_judges_of_other_training_data_on_every_board_of_real_faces(name: str) -> None:
    track = load_track(name)
    for target in track.targets:
        known = {alias: track.recognizers[alias] for alias in (target.recognizer, *target.judges)}
        families = {alias: spec.settings["family"] for alias, spec in known.items()}
        learnt = {alias: spec.trained_on for alias, spec in known.items()}
        seen = {*track.protocol.protectors, target.surrogate}
        able = [alias for alias in target.judges if alias not in seen and learnt[alias]]
        pairs = [
            pair
            for pair in combinations(able, 2)
            if len({families[alias] for alias in (target.recognizer, *pair)}) == 3
            and len({learnt[alias] for alias in (target.recognizer, *pair)}) == 3
        ]
        assert pairs, (target.recognizer, target.judges)
