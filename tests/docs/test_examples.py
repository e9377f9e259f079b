"""The worked examples of the documents, from a user's files to a board."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faceleak.bench.cli import app
from faceleak.bench.core import registry
from faceleak.bench.core.registry import ATTACKS, DATASETS, DEFENSES, RECOGNIZERS
from faceleak.bench.report.boards import build_boards
from faceleak.bench.report.load import load_run
from faceleak.bench.toml import tomllib
from faceleak.datasets.synthetic import Synthetic
from PIL import Image
from recognizers.graphs import write_graph
from typer.testing import CliRunner

from .pages import FRONT, ROOT, block, blocks

PACKAGE = ROOT / "tests" / "fixtures" / "example-plugins"
DECODER = "settings = { steps = 2000 }"
TINY = "settings = { steps = 3, batch = 8, width = 8, feature_batch = 4, student_steps = 2, student_batch = 8 }"
REGISTRIES = (ATTACKS, DEFENSES, DATASETS, RECOGNIZERS)


@pytest.fixture(scope="module")
def rendered() -> tuple[np.ndarray, np.ndarray]:
    """Four pictures (n, 3, 32, 32) uint8 of each of 42 people, and their names (n,)."""
    source = Synthetic({"size": 32, "identities": [42], "images": [4]})
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
    return build_boards(run.results, run.headline_fmr)


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
    assert "track mine  ok" in CliRunner().invoke(app, ["doctor", "mine.toml"]).output
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


def test_a_package_adds_all_four_kinds(
    place: Path, own_registries: None, rendered: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"]
    points = {group: [EntryPoint(*point, group) for point in named.items()] for group, named in groups.items()}
    assert set(points) == {one._group for one in REGISTRIES}
    monkeypatch.syspath_prepend(PACKAGE)
    monkeypatch.setattr(registry, "entry_points", lambda group: points[group])
    for one in REGISTRIES:
        monkeypatch.setattr(one, "_discovered", False)
        assert set(groups[one._group]) <= set(one.names())
    np.savez(place / "faces.npz", images=rendered[0], people=rendered[1])
    monkeypatch.setenv("FACES_NPZ", str(place / "faces.npz"))
    check_package_boards(board_of(str(PACKAGE / "track.toml")))


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
