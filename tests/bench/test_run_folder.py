"""A run folder says what its cells' files say, whatever happened to it, and belongs to one track."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from faceleak.bench.core.errors import TrackError
from faceleak.bench.plan.track import load_track
from faceleak.bench.record.results import read_results
from faceleak.bench.report.freshness import is_current, note_sources, sources_of
from faceleak.bench.run import work
from faceleak.bench.run.belonging import origin_of
from faceleak.bench.run.cell import run_cell
from faceleak.bench.run.interrupted import stoppable, told
from faceleak.bench.run.runner import RunOptions, RunSummary, run_track
from systems import TOY_TRACK

NONE = '[[defenses]]\nname = "none"\nsurfaces = ["template"]\n'


def write_track(file: Path, *attacks: str, head: str = TOY_TRACK) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(head + NONE + "".join(f'[[attacks]]\nname = "{name}"\n' for name in attacks))
    return file


def run(track: Path, out: Path, store: Path, *, seeds: tuple[int, ...] = (), only: str = "") -> RunSummary:
    loaded = load_track(str(track))
    if seeds:
        loaded = loaded.model_copy(update={"seeds": seeds})
    chosen = (("attack", only),) if only else ()
    return run_track(loaded, RunOptions(out, store, torch.device("cpu"), chosen, origin=origin_of(str(track))))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Path:
    """A finished run beside its track."""
    folder = tmp_path_factory.mktemp("whole")
    run(write_track(folder / "a.toml", "mean-face", "same-photo"), folder / "out", store)
    return folder


@pytest.fixture
def place(whole: Path, tmp_path: Path) -> Path:
    """A copy to spoil: ``a.toml`` and ``out/``."""
    shutil.copytree(whole / "out", tmp_path / "out")
    shutil.copy(whole / "a.toml", tmp_path / "a.toml")
    about = json.loads((tmp_path / "out" / "run.json").read_text())
    (tmp_path / "out" / "run.json").write_text(json.dumps(about | {"origin": origin_of(str(tmp_path / "a.toml"))}))
    return tmp_path


def attacks_in(out: Path) -> set[str]:
    return set(read_results(out / "results.csv")["attack"]) - {""}


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def other_bytes(file: Path) -> None:
    file.write_bytes(bytes(255 - byte for byte in file.read_bytes()))


@pytest.mark.parametrize("spoil", [empty, other_bytes, Path.unlink])
def test_tables_and_manifest_are_rebuilt_though_nothing_is_left_to_do(
    place: Path, store: Path, spoil: Callable[[Path], None]
) -> None:
    out = place / "out"
    before = (out / "results.csv").read_bytes()
    for name in ("results.csv", "failures.csv", "run.json", "manifest.json", "env.json", "splits.csv"):
        spoil(out / name)
        summary = run(place / "a.toml", out, store)
        assert (summary.done, summary.kept) == (0, 3)
        assert summary.changed == (name in ("results.csv", "failures.csv"))
        assert (out / "results.csv").read_bytes() == before
        assert json.loads((out / "run.json").read_text())["state"] == "finished"
        assert b"," in (out / name).read_bytes()


def test_what_is_right_is_left_alone(place: Path, store: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in (place / "out").glob("*.*")}
    summary = run(place / "a.toml", place / "out", store)
    assert not summary.changed
    assert not summary.notes
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_every_file_of_a_cell_that_cannot_be_read_is_made_anew_and_named(place: Path, store: Path) -> None:
    cell = next((place / "out" / "cells").glob("*/pictures.safetensors")).parent
    files = sorted(file.name for file in cell.iterdir())
    assert {"pictures.safetensors", "rows.json", "measures.json", "scores.npz", "state.json"} <= set(files)
    for name, spoil in zip(files, itertools.cycle((empty, cut, other_bytes, Path.unlink, empty)), strict=False):
        spoil(cell / name)
        summary = run(place / "a.toml", place / "out", store)
        assert (summary.done, summary.failed) == (1, 0), name
        assert f"cells/{cell.name}/{name} " in told(summary, place / "out")
    assert attacks_in(place / "out") == {"mean-face", "same-photo"}


def test_another_track_is_refused_by_name(place: Path, store: Path) -> None:
    before = (place / "out" / "results.csv").read_bytes()
    with pytest.raises(
        TrackError, match=r"holds the run of another track, 'a', and 'b' has not all of its 3 cells.*--out"
    ):
        run(write_track(place / "b.toml", "mean-face", "other-photo"), place / "out", store)
    with pytest.raises(TrackError, match=r"called 'a' too: this one has no .*same-photo"):
        run(write_track(place / "else" / "a.toml", "mean-face", "other-photo"), place / "out", store)
    empty(place / "out" / "run.json")
    with pytest.raises(TrackError, match="another track, 'a'"):
        run(place / "b.toml", place / "out", store)
    assert (place / "out" / "results.csv").read_bytes() == before


def test_an_edited_track_is_followed_and_what_left_it_is_named(place: Path, store: Path) -> None:
    more = run(write_track(place / "a.toml", "mean-face", "same-photo", "other-photo"), place / "out", store)
    assert (more.done, more.kept, more.notes) == (1, 3, ())
    less = run(write_track(place / "a.toml", "mean-face", "other-photo"), place / "out", store)
    assert attacks_in(place / "out") == {"mean-face", "other-photo"}
    assert less.changed
    assert "1 cell that track 'a' no longer has (a / none / same-photo / template / K0)" in less.notes[0]
    assert run(place / "a.toml", place / "out", store).notes == (), "said once"
    back = run(write_track(place / "a.toml", "mean-face", "same-photo"), place / "out", store)
    assert back.done == 0, "its cells were there all the time"
    assert attacks_in(place / "out") == {"mean-face", "same-photo"}


def test_another_track_that_has_all_that_stands_there_takes_the_folder_over(place: Path, store: Path) -> None:
    wider = write_track(place / "wider.toml", "mean-face", "same-photo", "other-photo")
    assert (run(wider, place / "out", store).kept, attacks_in(place / "out")) == (
        3, {"mean-face", "same-photo", "other-photo"}
    )  # fmt: skip
    with pytest.raises(TrackError, match="another track, 'wider'"):
        run(place / "a.toml", place / "out", store)


def test_without_its_manifest_an_edited_track_still_goes_on(place: Path, store: Path) -> None:
    track = write_track(place / "a.toml", "mean-face")
    empty(place / "out" / "run.json")
    assert "no longer has" in run(track, place / "out", store).notes[0]
    assert attacks_in(place / "out") == {"mean-face"}


def test_a_track_that_lies_elsewhere_now_goes_on(place: Path, store: Path) -> None:
    moved = write_track(place / "else" / "a.toml", "mean-face", "same-photo", "other-photo")
    assert run(moved, place / "out", store).done == 1


def test_cells_of_other_settings_are_neither_mixed_in_nor_dropped_without_a_word(place: Path, store: Path) -> None:
    changed = TOY_TRACK.replace("bootstrap = ", "bootstrap = 1")
    assert changed != TOY_TRACK
    track = write_track(place / "a.toml", "mean-face", "same-photo", head=changed)
    summary = run(track, place / "out", store, only="mean-face")
    assert "3 cells made with other code, data or settings" in summary.notes[0]
    assert attacks_in(place / "out") == {"mean-face"}
    assert json.loads((place / "out" / "run.json").read_text())["state"] == "partial: 1 of 3 cells"


def test_seeds_add_up_and_filters_never_shrink_what_stands(place: Path, store: Path) -> None:
    for seeds, done in (((1,), 3), ((0,), 0), ((1, 0), 0), ((), 0)):
        assert run(place / "a.toml", place / "out", store, seeds=seeds).done == done
        assert set(read_results(place / "out" / "results.csv")["seed"]) == {0, 1}
    run(place / "a.toml", place / "out", store, seeds=(2,), only="mean*")
    table = read_results(place / "out" / "results.csv")
    assert table.groupby("seed")["cell"].nunique().to_dict() == {0: 3, 1: 3, 2: 1}


def test_asked_to_stop_it_collects_what_has_ended(place: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def stopped(*args):  # type: ignore[no-untyped-def]
        calls.append(args)
        if len(calls) == 2:
            os.kill(os.getpid(), 15)
        return run_cell(*args)

    monkeypatch.setattr(work, "run_cell", stopped)
    with stoppable(), pytest.raises(KeyboardInterrupt):
        run(place / "a.toml", place / "new", store)
    assert read_results(place / "new" / "results.csv")["cell"].nunique() == 1
    assert json.loads((place / "new" / "run.json").read_text())["state"] == "partial: 1 of 3 cells"


def test_a_page_of_other_tables_is_noticed(tmp_path: Path) -> None:
    for name in ("results.csv", "run.json", "index.html"):
        (tmp_path / name).write_text("{}")
    assert not is_current(tmp_path)
    note_sources(tmp_path, sources_of(tmp_path))
    assert is_current(tmp_path)
    (tmp_path / "results.csv").write_text("other")
    assert not is_current(tmp_path)
