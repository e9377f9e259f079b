"""The worked examples of the documents, from a user's files to a board."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from faceleak.bench.cli.main import app
from faceleak.bench.core import registry
from faceleak.bench.core.registry import ATTACKS, DATASETS, DEFENSES, MEASUREMENTS, RECOGNIZERS, Registry
from faceleak.bench.measure import parts
from faceleak.bench.plan.toml import tomllib
from faceleak.bench.report.board_measures import generic_metrics
from faceleak.bench.report.boards import build_boards
from faceleak.bench.report.load import load_run
from faceleak.bench.report.page import render_page
from faceleak.bench.run import cell
from faceleak.bench.run.verify import verify_run
from faceleak.datasets.synthetic import Synthetic
from PIL import Image
from recognizers.graphs import write_graph
from typer.testing import CliRunner

from .pages import FRONT, ROOT, block, blocks

PACKAGE = ROOT / "tests" / "fixtures" / "example-plugins"
DECODER = "settings = { steps = 2000 }"
TINY = "settings = { steps = 3, batch = 8, width = 8, feature_batch = 4, student_steps = 2, student_batch = 8 }"
REGISTRIES = (ATTACKS, DEFENSES, DATASETS, RECOGNIZERS, MEASUREMENTS)


@pytest.fixture(scope="module")
def rendered() -> tuple[np.ndarray, np.ndarray]:
    """Four pictures (n, 3, 32, 32) uint8 of each of 50 people, and their names (n,)."""
    source = Synthetic({"size": 32, "identities": [50], "images": [4]})
    index = source._index()
    return np.stack(list(source._read(index))), index["identity"].to_numpy(str)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def board_of(track: str, *more: str) -> dict[str, pd.DataFrame]:
    """Boards of a track, run by the command."""
    words = ["run", track, "--out", "board", "--store", "store", "--threads", "1", "--no-report", *more]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    run = load_run(Path("board"))
    return build_boards(run.results, run.headline_fmr, generic_metrics(run))


def test_own_faces_own_recogniser_and_the_readme_s_attack(
    place: Path, own_registries: None, rendered: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The track of ``docs/own-faces.md`` as it stands there, with the README's attack added as the README says."""
    for number, (pixels, person) in enumerate(zip(*rendered, strict=True)):
        file = place / "faces" / person / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1))).save(file)
    monkeypatch.setenv("MY_FACES", str(place / "faces"))
    for seed, variable in enumerate(("MY_RECOGNIZER", "MY_JUDGE")):
        monkeypatch.setenv(variable, str(write_graph(place / f"{variable}.onnx", side=112, seed=seed)))
    (attack,) = (one.text for one in blocks(FRONT[0]) if one.language == "python")
    Path("ten_nearest.py").write_text(attack)
    track = block("own-faces.md", "mine.toml") + '\n[[attacks]]\nname = "ten-nearest"\n'
    assert DECODER in track
    Path("mine.toml").write_text(track.replace(DECODER, TINY))
    assert re.search(r"^track mine +ok", CliRunner().invoke(app, ["doctor", "mine.toml"]).output, re.MULTILINE)
    monkeypatch.delitem(sys.modules, "faceleak_plugin_ten_nearest", raising=False)
    boards = board_of("mine.toml", "--plugin", "ten_nearest.py")
    defenses = boards["defenses"].set_index("defense")
    assert set(defenses.index) == {"none", "quantise"}
    assert (defenses["n_failed"] == 0).all()
    assert (defenses["worst_attack"] != "").all()
    attacks = boards["attacks"].query("knowledge == 'K0'").set_index("attack")
    assert attacks.loc["ten-nearest", ["status", "role"]].tolist() == ["ok", "floor"]
    assert attacks.loc["same-photo", "sar1"] > 0.99, "both judges know a picture from itself"
    assert set(attacks["judge"]) == {"judge"}


def test_a_package_adds_all_five_kinds(
    place: Path, own_registries: None, rendered: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = install(monkeypatch, REGISTRIES)
    assert set(groups) == {one._group for one in REGISTRIES}
    write_faces(place, rendered, monkeypatch)
    check_package_boards(board_of(str(PACKAGE / "track.toml")))


def install(monkeypatch: pytest.MonkeyPatch, kinds: tuple[Registry[Any], ...]) -> dict[str, dict[str, str]]:
    """The package with its plug-ins of these kinds; returns all its entry points."""
    groups: dict[str, dict[str, str]] = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"][
        "entry-points"
    ]
    points = {group: [EntryPoint(*point, group) for point in named.items()] for group, named in groups.items()}
    monkeypatch.syspath_prepend(PACKAGE)
    monkeypatch.setattr(registry, "entry_points", lambda group: points[group])
    for one in kinds:
        monkeypatch.setattr(one, "_discovered", False)
        assert set(groups[one._group]) <= set(one.names())
    return groups


def write_faces(place: Path, rendered: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(place / "faces.npz", images=rendered[0], people=rendered[1])
    monkeypatch.setenv("FACES_NPZ", str(place / "faces.npz"))


def test_a_metric_of_a_package_costs_a_finished_board_that_metric(
    place: Path, own_registries: None, rendered: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands on the board with heading, help and interval, ``verify`` computes it again, nothing else is made."""
    install(monkeypatch, REGISTRIES[:-1])
    write_faces(place, rendered, monkeypatch)
    track = str(PACKAGE / "track.toml")
    board_of(track)
    before = pd.read_csv("board/results.csv", dtype=str, keep_default_na=False)
    assert "detail" not in set(before["metric"])
    install(monkeypatch, (MEASUREMENTS,))
    made = []
    monkeypatch.setattr(cell, "take", lambda one, *more: made.append(one.name) or parts.take(one, *more))
    boards = board_of(track)
    assert set(made) == {"detail"}
    after = pd.read_csv("board/results.csv", dtype=str, keep_default_na=False)
    others = after[after["metric"] != "detail"].reset_index(drop=True)
    assert others.drop(columns="created").equals(before.drop(columns="created"))
    board = boards["measures"]
    assert set(board["attack"]) == {"mean-face", "same-photo", "weighted-faces"}
    same = board.set_index("attack").loc["same-photo"]
    assert (same["detail_lo"] <= same["detail"]).all()
    assert same["detail"].to_numpy() == pytest.approx(1)
    verdict = verify_run(Path("board"))
    assert verdict.clean, str(verdict)
    assert not verdict.without_scores
    after.loc[after["metric"] == "detail", "ci_hi"] = "0.5"
    after.to_csv("board/results.csv", index=False)
    assert {one.key.metric for one in verify_run(Path("board")).differences} == {"detail"}
    page = render_page(load_run(Path("board")), boards, [], [])
    assert ">detail<" in page
    assert "Fine detail of the recovered picture over the original&#39;s. Higher is better." in page


def check_package_boards(boards: dict[str, pd.DataFrame]) -> None:
    defenses, attacks = boards["defenses"].set_index("defense"), boards["attacks"].set_index("attack")
    assert set(defenses["dataset"]) == {"numpy-file"}
    assert set(defenses["recognizer"]) == {"coarse"}
    assert (defenses["worst_attack"] != "").all()
    assert defenses.loc["signs-only", "accuracy"] > 0.5
    assert attacks.loc["same-photo", "sar1"] > 0.99


@pytest.mark.slow
def test_the_package_in_a_fresh_environment(tmp_path: Path, rendered: tuple[np.ndarray, np.ndarray]) -> None:
    """Wheels of both, a new environment, another directory; torch and the like are those of this one."""
    shutil.copytree(PACKAGE, tmp_path / "package")  # building leaves files behind
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    sources = [str(ROOT), str(tmp_path / "package")]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(tmp_path / "wheels"), *sources], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    wheels = map(str, sorted((tmp_path / "wheels").glob("*.whl")))
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", "--no-index", *wheels], check=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    np.savez(elsewhere / "faces.npz", images=rendered[0], people=rendered[1])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"FACES_NPZ": "faces.npz", "OMP_NUM_THREADS": "1"}

    def say(*words: str) -> str:
        done = subprocess.run(words, cwd=elsewhere, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert str(site) in say(str(python), "-c", "import faceleak; print(faceleak.__file__)")
    faceleak = str(python.with_name("faceleak"))
    assert "weighted-faces" in say(faceleak, "list", "attacks")
    words = ["--out", "board", "--store", "store", "--threads", "1"]
    say(faceleak, "run", str(tmp_path / "package" / "track.toml"), *words)
    boards = {name: pd.read_csv(elsewhere / "board" / "boards" / f"{name}.csv") for name in ("defenses", "attacks")}
    check_package_boards(boards)
    page = (elsewhere / "board" / "index.html").read_text()
    assert "weighted-faces" in page
    assert "signs-only" in page
