"""`faceleak prepare lfw` from end to end, on a loopback server with a tiny stand-in of each file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faceleak.bench.cli.doctor import track_problems
from faceleak.bench.cli.main import app
from faceleak.bench.core.errors import DataError, InputError
from faceleak.bench.core.extras import MissingExtra
from faceleak.bench.core.progress import Progress
from faceleak.bench.pack import lfw as lfw_module
from faceleak.bench.pack.place import offer
from faceleak.bench.pack.prepare import SETS, missing
from faceleak.bench.plan.track import load_track
from faceleak.bench.store.store import Store
from faceleak.datasets.alignment import TEMPLATE
from faceleak.datasets.base import LoadContext
from faceleak.datasets.files import Found
from faceleak.datasets.folder import FolderDataset
from faceleak.datasets.lfw import Lfw
from faceleak.datasets.yunet import YunetFinder
from publishers import FACELESS, lfw_files, publish
from serving import Server, serving
from typer.testing import CliRunner

pytest.importorskip("cv2")
FILES = len({name for part in SETS["lfw"] for name in part.needs})


@pytest.fixture(scope="module")
def lfw() -> tuple[bytes, bytes]:
    return lfw_files(folds=2, people=2, images=2)


@pytest.fixture
def server(lfw: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable in ("FACELEAK_WEIGHTS", "FACELEAK_DATA"):
        monkeypatch.delenv(variable, raising=False)
    with serving() as running:
        publish(running, monkeypatch, tmp_path / "published", lfw)
        yield running


def call(out: Path, *more: str, answer: str = "") -> str:
    words = ["prepare", "lfw", "--out", str(out), "--quiet", *more]
    return CliRunner().invoke(app, words, input=answer, catch_exceptions=False).output


def test_nothing_comes_before_the_licences_were_accepted(server: Server, tmp_path: Path) -> None:
    told = call(tmp_path / "pack", answer="n\n")
    assert "without the consent of the persons" in told
    assert "CC BY-NC-SA 4.0" in told
    assert told.count("(from 127.0.0.1:") == told.count("; terms: ") == FILES
    assert "Nothing was downloaded" in told
    assert server.seen == []
    assert not (tmp_path / "pack").exists()


def test_the_pack_is_what_the_data_set_and_the_tracks_read(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = tmp_path / "pack"
    told = call(pack, "--yes")
    assert f"export FACELEAK_DATA={pack}" in told
    monkeypatch.setenv("FACELEAK_DATA", str(pack))
    dataset = Lfw({"landmarks": "${FACELEAK_DATA}/aux/landmarks5_retail0009.onnx"})
    dataset.load(LoadContext(Store(tmp_path / "store").get, Progress()))
    assert dataset.table["group"].value_counts().to_dict() == {"0": 4, "1": 4, "-1": 2}
    pairs = dataset.pairs()
    assert pairs is not None
    assert pairs.groupby("fold")["same"].agg(["sum", "size"]).to_numpy().tolist() == [[2, 4], [2, 4]]
    table = pd.read_csv(pack / "faces" / "lfw112.csv", index_col="file")
    assert table.index[table["crop_source"] == "padded"].tolist() == [FACELESS]
    assert set(table["crop_source"]) == {"yunet", "padded"}
    assert table["in_core"].sum() == 8
    for face in dataset.images(np.flatnonzero(dataset.table["sample"] != FACELESS)):
        at = face[:, 53:57, 75:79]  # the template's right eye, green in the stand-ins, and half a cell of the detector
        assert (at[1] - at[0]).mean() > 0.5
    for track in ("lfw", "lfw-ci", "lfw-defenses", "lfw-images", "lfw-attacks", "lfw-surrogate"):
        assert track_problems(load_track(track)) == []
    assert CliRunner().invoke(app, ["doctor", "lfw"]).exit_code == 0
    assert len(server.seen) == FILES
    assert "holds the pack lfw" in call(pack), "a second call asks for nothing, so for no consent either"
    assert len(server.seen) == FILES


@pytest.mark.data
def test_folds_and_core_are_those_of_the_pack_of_the_committed_boards(data_pack: Path) -> None:
    told = pd.read_csv(data_pack / "faces" / "lfw112.csv")
    found = lfw_module._table(
        [Found(Path(), file, 0, 0) for file in told["file"]], data_pack / "faces" / "lfw_pairs.txt"
    )
    pd.testing.assert_frame_equal(found, told[list(found)], check_dtype=False)


def test_a_crop_without_a_face_is_cut_where_faces_are() -> None:
    points = lfw_module._central((250, 250))
    assert np.ptp(points[:2, 0]) == pytest.approx(43, abs=2), "pixels between the eyes of LFW's photographs"
    assert points.mean(0) == pytest.approx([125, 138], abs=6)
    assert np.allclose(lfw_module._central((500, 500)) + 0.5, (points + 0.5) * 2)
    assert len(TEMPLATE) == len(points)


def test_what_was_aligned_before_a_ctrl_c_is_not_aligned_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, whole = [], YunetFinder.__call__

    def stopped(self: YunetFinder, picture: object) -> object:
        if len(seen) == 6:
            raise KeyboardInterrupt
        seen.append(picture)
        return whole(self, picture)  # type: ignore[arg-type]

    monkeypatch.setattr(YunetFinder, "__call__", stopped)
    done = CliRunner().invoke(app, ["prepare", "lfw", "--out", str(tmp_path / "pack"), "--yes", "--quiet"])
    assert done.exit_code == 130
    assert "the same command goes on" in done.output
    assert not (tmp_path / "pack" / "faces" / "lfw112.csv").exists()
    monkeypatch.setattr(YunetFinder, "__call__", lambda self, picture: seen.append(picture) or whole(self, picture))
    call(tmp_path / "pack", "--yes")
    assert len(seen) == 10, "ten photographs, each once"
    assert len(pd.read_csv(tmp_path / "pack" / "faces" / "lfw112.csv")) == 10
    assert sum(path == "/lfw-photographs" for path, _ in server.seen) == 1
    assert sorted(file.name for file in (tmp_path / "pack" / "faces").iterdir()) == sorted(
        ["lfw112.csv", "lfw112_core.zip", "lfw112_rest.zip", "lfw_pairs.txt"]
    )


def test_a_host_that_fails_is_named_and_costs_only_its_part(server: Server, tmp_path: Path) -> None:
    held = server.files.pop("/dlib-weights")
    with pytest.raises(InputError, match=r"(?s)1 of 8 parts could not be had.*\n- resnet-dlib: .*answers 404"):
        call(tmp_path / "pack", "--yes")
    assert (tmp_path / "pack" / "recognizers" / "retail0095.onnx").is_file()
    assert [part.name for part in missing("lfw", tmp_path / "pack")] == ["resnet-dlib"]
    server.files["/dlib-weights"] = held
    asked = len(server.seen)
    assert "Made resnet-dlib." in call(tmp_path / "pack", "--yes")
    assert [path for path, _ in server.seen[asked:]] == ["/dlib-weights"]


def test_what_is_not_wanted_or_not_known(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"no part 'fdi'.*did you mean 'fid'"):
        call(tmp_path, "--without", "fdi")
    with pytest.raises(InputError, match="no pack 'lwf'"):
        missing("lwf", tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(MissingExtra, match=r"Preparing faces .*--without faces\) need the package opencv"):
        call(tmp_path, "--yes")
    others = [word for part in SETS["lfw"] if part.name != "edgeface" for word in ("--without", part.name)]
    call(tmp_path / "pack", "--yes", *others)
    assert [path for path, _ in server.seen] == ["/edgeface-xxs"]


def test_what_an_earlier_pack_has_is_not_asked_for(server: Server, tmp_path: Path) -> None:
    (tmp_path / "recognizers").mkdir()
    for name in ("retail0095.onnx", "mobilefacenet.onnx", "edgeface_xxs.safetensors", "dlib_resnet.onnx"):
        (tmp_path / "recognizers" / name).touch()
    assert [part.name for part in missing("lfw", tmp_path)] == ["landmarks5", "faces", "lpips", "fid"]


def test_photographs_of_one_s_own_need_two_files(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["prepare", "photographs", "--yes", "--quiet"]
    assert "Made landmarks5, detector" in CliRunner().invoke(app, words, catch_exceptions=False).output
    pack = tmp_path / "home" / ".local" / "share" / "faceleak"
    offer()
    assert os.environ["FACELEAK_DATA"] == str(pack), "found by itself from now on"
    finder = FolderDataset({"path": str(tmp_path), "align": "photographs"})._finder()
    assert isinstance(finder, YunetFinder)
    assert finder.landmarks is not None, "the landmark model sees the points once more"


def test_pairs_of_another_set_are_refused(server: Server, tmp_path: Path, lfw: tuple[bytes, bytes]) -> None:
    photographs = tmp_path / "photographs"
    for name in ("A/A_0001.jpg", "A/A_0002.jpg", "B/B_0001.jpg"):
        (photographs / name).parent.mkdir(parents=True, exist_ok=True)
        (photographs / name).write_bytes(b"no picture")
    pairs = tmp_path / "pairs.txt"
    origin = lfw_module.Origin(photographs, pairs)
    for text, words in (
        ("2\t1\nA\t1\t2\nA\t1\tB\t1\nA\t1\t2\nA\t2\tB\t1\n", "names A in several folds"),
        ("1\t1\nA\t1\t2\nA\t1\tC\t1\n", "has no picture C/C_0001"),
        ("1\t1\nA\t1\t2\nA\t1\tB\t1\n", "cannot be read"),
    ):
        pairs.write_text(text)
        with pytest.raises(DataError, match=words):
            lfw_module.make_faces(origin, lambda picture: TEMPLATE, tmp_path / "faces", Progress())
    assert not list((tmp_path / "faces").glob("*"))
