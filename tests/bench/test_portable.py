"""Recognisers by portable names: what is there is taken, and with the first pack nothing is another than before."""

from __future__ import annotations

from pathlib import Path

import pytest
from faceleak.bench.core.errors import TrackError
from faceleak.bench.core.registry import RECOGNIZERS
from faceleak.bench.plan.portable import placed, portable, problem
from faceleak.bench.plan.track import TRACKS, load_track
from packs import write_pack

FILE = Path("mine.toml")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FACELEAK_DATA", str(tmp_path))
    monkeypatch.delenv("FACELEAK_WEIGHTS", raising=False)
    (tmp_path / "recognizers").mkdir()


def test_every_entry_is_a_recogniser_whose_settings_fit() -> None:
    for entries in portable().values():
        for entry in entries:
            RECOGNIZERS.get(entry["type"])(entry["settings"])
            assert set(entry) <= {"type", "settings", "trained_on", "reported_accuracy"}


def test_the_tracks_on_real_faces_name_no_place() -> None:
    for file in TRACKS.glob("lfw*.toml"):
        assert "/recognizers/" not in file.read_text()
        assert len(load_track(file.stem).recognizers) >= 3


def test_the_first_that_is_there_is_taken(tmp_path: Path) -> None:
    told = {"mobilefacenet": {"type": "portable"}, "own": {"type": "onnx", "settings": {"path": "x"}}}
    assert placed(told, FILE) == {"mobilefacenet": portable()["mobilefacenet"][0], "own": told["own"]}, (
        "none: the first"
    )
    write_pack(tmp_path / "buffalo_sc")
    assert placed(told, FILE)["mobilefacenet"] == portable()["mobilefacenet"][1]
    (tmp_path / "recognizers" / "mobilefacenet.onnx").touch()
    assert placed(told, FILE)["mobilefacenet"] == portable()["mobilefacenet"][0]


def test_an_alias_of_one_s_own_and_what_the_track_says_hold() -> None:
    judge = {"type": "portable", "settings": {"name": "edgeface"}, "trained_on": "mine"}
    assert placed({"judge": judge}, FILE)["judge"] == portable()["edgeface"][0] | {"trained_on": "mine"}


def test_members_of_a_joined_one_are_placed_too() -> None:
    own = {"type": "onnx", "settings": {"path": "${FACELEAK_DATA}/gone.onnx", "family": "x"}}
    members = [{"type": "portable", "settings": {"name": "edgeface"}}, own]
    found = placed({"both": {"type": "joined", "settings": {"members": members}}}, FILE)["both"]
    first = portable()["edgeface"][0]
    assert found["settings"]["members"] == [{"type": first["type"], "settings": first["settings"]}, own]
    assert "edgeface_xxs.safetensors does not exist" in problem(found["settings"], "both")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"type": "portable"}, "takes the setting name and no other.*did you mean 'edgeface'"),
        ({"type": "portable", "settings": {"name": "edgefaec"}}, "did you mean 'edgeface'"),
        ({"type": "portable", "settings": {"path": "x"}}, r"got \{'path': 'x'\}"),
        ({"type": "portable", "settings": {"name": ["x"]}}, "takes the setting name"),
        ({"type": "portable", "settings": 3}, "got 3"),
    ],
)
def test_an_unknown_name_is_one_sentence(told: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(TrackError, match=words):
        placed({"edgeface2": told}, FILE)
