"""cells.html, and what the pages filter by."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from faceleak.bench.report import make_report
from faceleak.bench.report.cells import cell_views
from faceleak.bench.report.fig_loss import read_losses
from faceleak.bench.report.load import load_run
from faceleak.bench.report.traits import traits_of

from .fixture_run import Shape, build_run

TINY = Shape(n_defenses=2, n_attacks=2, seeds=(0,), surfaces=("template",), pictures=False, victims=2)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return build_run(tmp_path / "run", TINY)


def test_a_cell_is_shown_with_all_that_is_known_of_it(run: Path) -> None:
    loaded = load_run(run)
    views = {view.key: view for view in cell_views(loaded, read_losses(loaded.cells, []))}
    assert set(views) == set(loaded.results["cell"])
    cell = views["nbnet-gaussian-noise-template-K1-0"]
    assert cell.labels["knowledge"] == "K1"
    assert cell.command == "faceleak run made-up --only nbnet-gaussian-noise-template-K1-0"
    assert cell.curve is not None
    assert (cell.curve.first, cell.curve.steps) == ("1.2", "380")
    assert len(cell.curve.points.split()) == 20
    assert ("training, s", "31.25") in cell.facts
    assert [(metric, judge) for metric, judge, *_ in cell.numbers].count(("sar_type2", "toy-b")) == 1, "headline FMR"
    assert views["broken-attack-cell"].error == "RuntimeError: loss became <NaN> at step 12"


def test_without_its_folder_a_cell_still_has_numbers_and_the_command(run: Path) -> None:
    loaded = load_run(run)
    full = {view.key: view for view in cell_views(loaded, read_losses(loaded.cells, []))}
    for path in sorted((run / "cells").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    bare = {view.key: view for view in cell_views(load_run(run), read_losses((), []))}
    assert {key: view.numbers for key, view in bare.items()} == {key: view.numbers for key, view in full.items()}
    assert bare["nbnet-gaussian-noise-template-K1-0"].curve is None
    assert bare["nbnet-gaussian-noise-template-K1-0"].command == (
        "faceleak run made-up --only recognizer=toy-a --only defense=gaussian-noise --only attack=nbnet "
        "--only surface=template --only knowledge=K1 --only seed=0"
    )
    assert bare["u-none"].command.endswith("--only defense=none --only seed=0 --only attack=")


@pytest.mark.usefixtures("without_figures")
def test_a_flag_is_said_with_what_was_seen(run: Path) -> None:
    page = run / "cells.html"
    state = run / "cells" / "decoder-none-template-K0-0" / "state.json"
    told = json.loads(state.read_text()) | {"flags": [{"flag": "F15", "message": "the loss <still> fell"}]}
    state.write_text(json.dumps(told))
    make_report(run)
    assert "the loss &lt;still&gt; fell" in page.read_text()
    assert 'href="index.html#flag-F15"' in page.read_text()


def test_goal_and_secret_come_from_the_manifest_or_from_the_plugins(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    assert traits_of(load_run(run))["biohash"] == {"goal": "block-inversion", "secret": "deployment"}
    assert traits_of(load_run(run))["gaussian-noise"]["secret"] == "none"
    assert "none" not in traits_of(load_run(run)), "the reference passes every filter"
    del manifest["defenses"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert traits_of(load_run(run)) == {}
    entries = [{"name": "biohash", "label": "b"}, {"name": "no-such-plugin"}, {"nonsense": 1}, 3]
    run_json = json.loads((run / "run.json").read_text()) | {"resolved": {"defenses": entries}}
    (run / "run.json").write_text(json.dumps(run_json))
    assert traits_of(load_run(run)) == {"b": {"goal": "block-inversion", "secret": "deployment"}}


@pytest.mark.usefixtures("without_figures")
def test_an_older_run_renders_without_what_newer_ones_keep(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["defenses"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    page = make_report(run).read_text()
    assert not re.search(r"<select name=\"(goal|secret)\"", page)
    assert 'id="verification"' not in page
