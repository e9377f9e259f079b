"""A published run: the evidence of its cells in one file, from which it verifies, and everything that can be wrong."""

from __future__ import annotations

import io
import json
import lzma
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from faceleak.bench.cli.main import app
from faceleak.bench.core import archives
from faceleak.bench.core.errors import InputError
from faceleak.bench.measure import pictures
from faceleak.bench.plan.track import load_track
from faceleak.bench.record.packed import EVIDENCE, EvidenceError, Unpacked, pack
from faceleak.bench.report import make_report
from faceleak.bench.report.load import load_run
from faceleak.bench.run.across import compare_runs
from faceleak.bench.run.publish import publish, rendered
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.run.verify import verify_run
from running import CELLS, SMALL
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose faces are called rendered, with a hash of every recovered picture."""
    folder = tmp_path_factory.mktemp("publish")
    (folder / "t.toml").write_text(SMALL.replace("pictures = 0", "pictures = 3\nheadline_fmr = 0.1") + CELLS)
    options = RunOptions(folder / "run", folder / "store", torch.device("cpu"), command="faceleak run t.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "HASHED", 1)
        assert run_track(load_track(str(folder / "t.toml")), options).failed == 0
    manifest = json.loads((folder / "run/manifest.json").read_text())
    for one in manifest["datasets"].values():
        one["inventory"]["people"] = "as they were rendered"
    (folder / "run/manifest.json").write_text(json.dumps(manifest))
    return folder / "run"


@pytest.fixture(scope="module")
def published(finished: Path) -> Path:
    return publish(finished, finished.parent / "results" / "toy").folder


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    """As in a fresh clone, to spoil."""
    return Path(shutil.copytree(published, tmp_path / "clone"))


def spoiled(copy: Path, change: Callable[[Path], None]) -> str:
    """What ``verify`` says after a change of the evidence."""
    unpacked = Unpacked(copy / EVIDENCE)
    change(unpacked.cells)
    keys = [path.name for path in sorted(unpacked.cells.iterdir())]
    pack(unpacked.cells, keys, copy / EVIDENCE, pictures=True)
    verdict = verify_run(copy)
    assert not verdict.clean
    return str(verdict)


def attack_cell(cells: Path) -> Path:
    return next(path.parent for path in sorted(cells.glob("*/measure-pictures.npz")))


def test_a_clone_verifies_from_its_evidence_as_the_run_does_from_its_cells(finished: Path, copy: Path) -> None:
    assert not (copy / "cells").exists()
    own, verdict = verify_run(finished), verify_run(copy)
    assert verdict.clean, str(verdict)
    assert (verdict.cells, verdict.rows) == (own.cells, own.rows)
    assert f"{verdict.cells} cells were read from {EVIDENCE}" in str(verdict)
    result = CliRunner().invoke(app, ["verify", str(copy)])
    assert result.exit_code == 0
    assert "0 numbers differ" in result.output


@pytest.mark.slow
def test_a_report_from_the_evidence_has_all_that_the_run_has(finished: Path, copy: Path) -> None:
    make_report(finished)
    make_report(copy)
    for part in ("boards", "figures", "tables"):
        files = sorted(file.name for file in (finished / part).iterdir())
        assert files == sorted(file.name for file in (copy / part).iterdir())
        tables = [name for name in files if name.endswith(".csv")]
        assert all((finished / part / name).read_text() == (copy / part / name).read_text() for name in tables)
    assert any(file.name.startswith("grid") for file in (copy / "figures").iterdir())
    assert (copy / "cells.html").read_bytes() == (finished / "cells.html").read_bytes()


def test_a_run_compares_with_its_published_copy(finished: Path, copy: Path) -> None:
    found = compare_runs(finished, copy)
    assert len(found.table)
    assert set(found.table["verdict"]) == {"tie"}
    assert not found.without


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes(finished: Path, published: Path, tmp_path: Path) -> None:
    again = publish(finished, tmp_path / "again").folder
    assert (again / EVIDENCE).read_bytes() == (published / EVIDENCE).read_bytes()


def test_a_changed_number_of_the_table_is_named(copy: Path) -> None:
    table = pd.read_csv(copy / "results.csv", dtype=str, keep_default_na=False)
    place = table.index[(table["metric"] == "cosine") & (table["value"] != "")][0]
    table.loc[place, "value"] = f"{float(table.loc[place, 'value']) * 1.01:.6g}"
    table.to_csv(copy / "results.csv", index=False)
    verdict = verify_run(copy)
    assert not verdict.clean
    assert table.loc[place, "cell"] in str(verdict)
    assert "cosine, judge" in str(verdict)


def test_a_changed_array_of_the_evidence_is_named(copy: Path) -> None:
    def change(cells: Path) -> None:
        file = attack_cell(cells) / "scores.npz"
        kept = dict(np.load(file))
        kept["a/victims/same"] = kept["a/victims/same"] * np.float32(0.9)
        np.savez(file, allow_pickle=False, **kept)

    told = spoiled(copy, change)
    assert "scores.npz is not what was written" in told
    assert "cosine" in told


def test_a_cell_that_the_evidence_lacks_is_named(copy: Path) -> None:
    held = load_run(copy)
    gone = attack_cell(held.kept).name
    told = spoiled(copy, lambda cells: shutil.rmtree(cells / gone))
    assert f"cells have ended, {EVIDENCE} holds" in told
    assert f"not there: {gone}" in told


def test_other_pictures_than_those_that_were_scored_are_named(finished: Path, copy: Path, tmp_path: Path) -> None:
    assert "recovered_sha256" in np.load(attack_cell(finished / "cells") / "measure-pictures.npz")
    held = load_run(copy)
    cells = Path(shutil.copytree(held.kept, copy / "cells"))
    assert verify_run(copy).clean
    cell = attack_cell(cells)
    parts = load_file(cell / "pictures.safetensors")
    parts["recovered"] = parts["recovered"].flip(-1).contiguous()
    save_file(parts, cell / "pictures.safetensors")
    state = json.loads((cell / "state.json").read_text())
    del state["files"]["pictures.safetensors"]  # whoever exchanges pictures can also say that they belong
    (cell / "state.json").write_text(json.dumps(state))
    assert "shows other faces than those that were scored" in str(verify_run(copy))


def test_pictures_of_people_are_never_published(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    manifest = json.loads((run / "manifest.json").read_text())
    for one in manifest["datasets"].values():
        one["inventory"]["people"] = "one folder each"
    assert not rendered(manifest)
    assert not rendered({})
    (run / "manifest.json").write_text(json.dumps(manifest))
    found = publish(run, tmp_path / "out")
    assert not found.pictures
    assert found.verdict.clean
    held = load_run(found.folder)
    assert list(held.kept.rglob("scores.npz"))
    assert not list(held.kept.rglob("*.safetensors"))
    assert not list((found.folder / "figures").glob("grid*"))


def test_what_is_no_copy_is_not_replaced(finished: Path, published: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds cells"):
        publish(finished, finished)
    with pytest.raises(InputError, match="has no cells/"):
        publish(published, tmp_path / "out")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"mine\.txt"):
        publish(finished, tmp_path / "notes")
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["mine.txt"]
    before = (published / "index.html").stat().st_ino
    publish(finished, published)
    assert (published / "index.html").stat().st_ino != before
    assert sorted(path.name for path in published.parent.iterdir()) == ["toy"]


def test_a_run_that_does_not_verify_is_not_published(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    (attack_cell(run / "cells") / "scores.npz").unlink()
    with pytest.raises(InputError, match="does not verify"):
        publish(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def taped(name: str, size: int = 10, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size, info.type, info.linkname = (size if kind == tarfile.REGTYPE else 0), kind, link
        archive.addfile(info, io.BytesIO(bytes(size)))
    return tape.getvalue()


HOSTILE = {
    "climbs": (lzma.compress(taped("../../out")), "lies outside"),
    "links": (lzma.compress(taped("cell/state.json", kind=tarfile.SYMTYPE, link="../other")), "no file of a cell"),
    "deep": (lzma.compress(taped("cell/more/state.json")), "no file of a cell"),
    "grows": (lzma.compress(taped("cell/scores.npz", 1 << 21)), "times its size"),
    "short": (lzma.compress(taped("cell/state.json"))[:-30], "ends early"),
    "longer": (lzma.compress(taped("cell/state.json")) + b"more", "follows its end"),
    "damaged": (lzma.compress(taped("cell/state.json"))[:40] + bytes(200), "cannot be used"),
    "greedy": (
        lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29, "mf": lzma.MF_HC3}]),
        "cannot be used",
    ),
    "empty": (b"", "ends early"),
    "text": (b"cells", "cannot be used"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_archive_of_somebody_else_ends_in_a_sentence(
    kind: str, copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(archives, "SMALL", 1 << 20)
    data, why = HOSTILE[kind]
    (copy / EVIDENCE).write_bytes(data)
    with pytest.raises(EvidenceError, match=why):
        load_run(copy)
    before = set(tmp_path.rglob("*"))
    assert CliRunner().invoke(app, ["verify", str(copy)]).exception is not None
    assert set(tmp_path.rglob("*")) == before


def test_what_was_unpacked_goes_with_the_run(copy: Path) -> None:
    run = load_run(copy)
    folder = run.kept
    assert folder.is_dir()
    del run
    assert not folder.exists()
