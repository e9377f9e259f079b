"""The command line: what a newcomer types, and what it answers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from faceleak.bench.cli.doctor import examine, track_problems
from faceleak.bench.cli.main import _given_threads, app
from faceleak.bench.cli.scaffold import scaffold
from faceleak.bench.core.errors import InputError
from faceleak.bench.plan.track import TRACKS, load_track
from faceleak.bench.run.provenance import spoken
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]


def call(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_doctor_looks_at_every_track(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACELEAK_DATA", raising=False)
    text = call("doctor")
    for file in TRACKS.glob("*.toml"):
        assert f"track {file.stem} " in text
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert " ok " in lines["track quick"]
    assert "needs the environment variable FACELEAK_DATA" in lines["track lfw"]
    assert "not set" in lines["FACELEAK_DATA"]


def test_doctor_says_which_file_a_track_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACELEAK_DATA", str(tmp_path))
    problems = track_problems(load_track("lfw"))
    assert "lfw112" in problems[0]
    assert any(problem.startswith("recognizer ") for problem in problems)
    whole = CliRunner().invoke(app, ["doctor", "lfw"])
    assert whole.exit_code == 1
    for file in ("lfw112_core.zip", "retail0095.onnx", "edgeface_xxs.safetensors", "dlib_resnet.onnx"):
        assert f"{file} does not exist" in whole.output
    assert "`faceleak prepare lfw` gets all that the track needs.\n" in whole.output
    some = {name: examine(name)[-1].text for name in ("lfw-celeba", "lfw-two-surrogates")}
    assert "needs, but for data set celeba: docs/real-data.md" in some["lfw-celeba"]
    assert "needs, but for recognizer own (${FACELEAK_DATA}/recognizers/hse_faceres.onnx)" in some["lfw-two-surrogates"]
    assert examine("quick")[-1].state == "ok"
    monkeypatch.setenv("FACELEAK_DATA", str(tmp_path / "nowhere"))
    assert "is no folder" in call("doctor")


def test_new_plugins_pass_their_contract_tests(tmp_path: Path) -> None:
    """No other edit: the files are named to the contract tests by one environment variable."""
    files = []
    for kind in ("attack", "defense"):
        (tmp_path / kind).mkdir()
        files.append(tmp_path / kind / f"my_{kind}.py")
        assert str(files[-1]) in call("new", kind, f"my-{kind}", "--out", str(tmp_path / kind))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/attacks/test_contract.py", "tests/defenses/test_contract.py",
         "-k", "my-attack or my-defense", "-p", "no:xdist", "-p", "no:cacheprovider"],
        cwd=ROOT, env=os.environ | {"FACELEAK_PLUGIN": os.pathsep.join(map(str, files))}, capture_output=True,
        text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 12  # type: ignore[index]


@pytest.mark.parametrize(("kind", "room"), [("attack", "attacks"), ("defense", "defenses")])
def test_make_begins_a_plug_in_in_its_room(kind: str, room: str) -> None:
    told = subprocess.run(
        ["make", "--dry-run", "--silent", kind, "NAME=my-own"], cwd=ROOT, capture_output=True, text=True, timeout=30
    ).stdout
    assert f"faceleak new {kind} my-own --out {room}" in told


def test_threads_given_by_the_environment_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for words, number in (("1", 1), ("", 0), ("4,2", 0)):
        monkeypatch.setenv("OMP_NUM_THREADS", words)
        assert _given_threads() == number


def test_a_command_is_written_down_without_this_machine_s_folders() -> None:
    words = ["run", "quick", "--out", "/a/b", "--only", "attack=x y", "--store=/c", "--seeds", "0", "--store", "/d"]
    assert spoken(words) == ["run", "quick", "--only", "attack=x y", "--seeds", "0"]


def test_new_refuses_what_would_be_lost_or_confused(tmp_path: Path) -> None:
    for name in ("My Attack", "a_b", "-x", ""):
        with pytest.raises(InputError, match="no plug-in name"):
            scaffold("attack", name, tmp_path)
    with pytest.raises(InputError, match="exists already; choose another name"):
        scaffold("attack", "decoder", tmp_path)
    (tmp_path / "mine.py").write_text("precious")
    with pytest.raises(InputError, match="left alone"):
        scaffold("defense", "mine", tmp_path)
    assert (tmp_path / "mine.py").read_text() == "precious"
