"""A defence learns apart from victims and judges, and comes out as it does beside them, to the last digit."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from faceleak.bench.core.registry import DEFENSES, load_plugin
from faceleak.bench.core.unfinished import VARIABLE as EVERY
from faceleak.bench.plan.track import load_track
from faceleak.bench.record.results import TIMING_METRICS, VOLATILE, read_results
from faceleak.bench.run.runner import RunOptions, run_track
from safetensors.torch import load_file
from systems import TRAINED_TRACK

SLY = Path(__file__).parent / "sly.py"
MEAN = '[[attacks]]\nname = "mean-face"\n'
TARGET = '[[targets]]\nrecognizer = "mine"\njudges = ["judge"]\n'
LOOKERS, REFUSED = ("sly-victims", "sly-judges", "sly-closures"), ("sly-files", "sly-folder", "sly-letter")


@pytest.fixture(scope="module")
def sly() -> Iterator[None]:
    DEFENSES.discover()
    before = dict(DEFENSES._items)
    load_plugin(SLY)
    yield
    DEFENSES._items = before
    del sys.modules["faceleak_plugin_sly"]


def run(folder: Path, entries: str, *, in_process: bool = False) -> pd.DataFrame:
    folder.mkdir(exist_ok=True)
    (folder / "t.toml").write_text(TRAINED_TRACK + TARGET + entries + MEAN * ("[[attacks]]" not in entries))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACELEAK_IN_PROCESS", "")
        options = RunOptions(folder / "run", folder / "store", torch.device("cpu"), in_process=in_process)
        run_track(load_track(str(folder / "t.toml")), options)
    return read_results(folder / "run" / "results.csv")


def entry(name: str, settings: str = "") -> str:
    told = f"settings = {{ {settings} }}\n" if settings else ""
    return f'[[defenses]]\nname = "{name}"\n{told}surfaces = ["template"]\n'


def fits(folder: Path, name: str) -> list[dict[str, torch.Tensor]]:
    """The weights of all fits with a tensor of that name."""
    found = map(load_file, sorted((folder / "store" / "defense").glob("*/tensors.safetensors")))
    return [one for one in found if name in one]


@pytest.fixture(scope="module")
def isolated(sly: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    folder = tmp_path_factory.mktemp("apart")
    place = f'place = "{folder / "store"}"'
    entries = entry("none") + "".join(entry(name, place) for name in (*LOOKERS, *REFUSED))
    return run(folder, entries), folder


@pytest.fixture(scope="module")
def beside(sly: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    folder = tmp_path_factory.mktemp("beside")
    entries = "".join(entry(name) for name in ("none", *LOOKERS))  # judges are there once an attack was judged
    return run(folder, entries, in_process=True), folder


def test_a_defence_that_looks_for_victims_or_judges_finds_nobody(isolated: tuple[pd.DataFrame, Path]) -> None:
    rows, folder = isolated
    assert not (rows[rows.defense.isin(LOOKERS)].metric == "cell").any()  # the one row of a cell that did not end well
    assert [int(one["found"]) for one in fits(folder, "found")] == [0] * len(LOOKERS)


def test_a_defence_that_reaches_for_files_is_refused(isolated: tuple[pd.DataFrame, Path]) -> None:
    rows, folder = isolated
    for name in REFUSED:
        own = rows[rows.defense == name]
        assert set(own.status) == {"refused"}, (name, own.status.unique())
    failures = pd.read_csv(folder / "run" / "failures.csv")
    assert failures["message"].str.contains("a defense that learns").all()
    assert not (folder / "store" / "letter").exists()


def test_the_cheats_are_real_and_marked_where_nothing_holds_them_back(
    beside: tuple[pd.DataFrame, Path], isolated: tuple[pd.DataFrame, Path]
) -> None:
    rows, folder = beside
    assert min(int(one["found"]) for one in fits(folder, "found")) > 0
    assert rows[rows.defense != "none"]["flags"].str.contains("F19").all()
    states = [json.loads(file.read_text()) for file in (folder / "run" / "cells").glob("*/state.json")]
    for one in states:
        told = "The defense learnt in the harness's process" in json.dumps(one["flags"])
        assert told == (one["cell"]["defense"] != "none")
    apart, _ = isolated
    assert not apart["flags"].str.contains("F19").any()


@pytest.mark.slow
def test_a_fit_that_was_learnt_beside_the_harness_stays_marked(sly: None, tmp_path: Path) -> None:
    entries = entry("sly-victims")
    run(tmp_path, entries, in_process=True)
    rows = run(tmp_path, entries + MEAN + '[[attacks]]\nname = "grey"\n')
    assert rows[rows.attack == "grey"]["flags"].str.contains("F19").all()


def test_either_process_gives_the_same_numbers(sly: None, tmp_path: Path) -> None:
    """Servers of the wire, one for a deployed key; what defences share; a shadow of templates; two in a row."""
    entries = """
[[defenses]]
name = "partialface"
settings = { side = 16, server_steps = 4, server_batch = 8 }
[[defenses]]
name = "duetface"
settings = { side = 16, server_steps = 3, server_batch = 8, client_steps = 3 }
[[defenses]]
name = "sharer"
surfaces = ["template"]
[[defenses]]
name = "advface"
settings = { shadow_steps = 6 }
surfaces = ["template"]
[[defenses]]
name = ["partialface", "pca"]
settings = { partialface = { side = 16, server_steps = 2, server_batch = 8 } }
surfaces = ["template"]
[[attacks]]
name = "mean-face"
"""
    found, weights = [], []
    for number, in_process in enumerate((False, True)):
        frame = run(tmp_path / str(number), entries, in_process=in_process)
        assert "failed" not in set(frame.status)
        assert frame["flags"].str.contains("F19").any() == in_process
        frame = frame[~frame.metric.isin(TIMING_METRICS)].drop(columns=[*VOLATILE, "flags"])
        found.append(frame.reset_index(drop=True))
        store = tmp_path / str(number) / "store"
        files = sorted([*store.glob("defense/*/tensors.safetensors"), *store.glob("shared/*/tensors.safetensors")])
        assert len(list(store.glob("shared/*"))) == 1
        weights.append({f"{file.parent.name}/{name}": one for file in files for name, one in load_file(file).items()})
    pd.testing.assert_frame_equal(*found, check_exact=True)
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(one, weights[1][name]) for name, one in weights[0].items())


@pytest.mark.slow
def test_a_training_whose_process_died_goes_on_and_ends_in_the_same_bits(
    sly: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(EVERY, "0")
    rows = run(tmp_path, entry("mortal", "dies = true"))
    assert "failed" in set(rows[rows.defense == "mortal"].status)  # of the cell that came first
    assert "ended without an answer" in pd.read_csv(tmp_path / "run" / "failures.csv")["message"][0]
    rows = run(tmp_path, entry("mortal", "dies = true"))
    assert not (rows[rows.defense == "mortal"].metric == "cell").any()
    (resumed,) = fits(tmp_path, "net.weight")
    run(tmp_path / "whole", entry("mortal"))
    (whole,) = fits(tmp_path / "whole", "net.weight")
    assert all(torch.equal(one, whole[name]) for name, one in resumed.items())
    (log,) = (tmp_path / "store" / "defense").glob("*/trainings.json")
    assert len(json.loads(log.read_text())["network"]["losses"]) == 12
