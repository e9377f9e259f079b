"""YuNet on discs of five colours: whose points it tells, and what is said where it, or its package, is not there."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.extras import MissingExtra
from faceleak.bench.core.progress import Progress
from faceleak.bench.store.store import Store
from faceleak.datasets.alignment import TEMPLATE
from faceleak.datasets.base import LoadContext
from faceleak.datasets.folder import FolderDataset
from faceleak.datasets.pictures import LeftOut
from faceleak.datasets.yunet import YunetFinder, photograph_finder
from foreign import write_yunet
from packs import discs, write_pack
from PIL import Image

pytest.importorskip("cv2")


def test_yunet_finds_the_points_of_the_face_that_is_meant(tmp_path: Path) -> None:
    model = write_yunet(tmp_path / "face_detection_yunet_2023mar.onnx")
    near, far = np.array([144, 96]), np.array([24, 200])  # of the green discs, which are 60x60 boxes to the stand-in
    picture = Image.new("RGB", (260, 250))
    for cell in (far, near):
        picture.paste((0, 255, 0), (*cell, *(cell + 8)))
    for central in (False, True):
        found = YunetFinder(model, "test", central=central)(picture)
        assert not isinstance(found, LeftOut)
        assert np.abs(found - (TEMPLATE - TEMPLATE[1] + near)).max() < 0.01
    large = YunetFinder(model, "test")(picture.resize((1040, 1000), Image.Resampling.NEAREST))
    assert not isinstance(large, LeftOut)
    assert np.abs((large[1] + 0.5) / 4 - 0.5 - near).max() < 4, "found in a reduced picture, told in the whole one"
    assert isinstance(YunetFinder(model, "test")(Image.new("RGB", (64, 90))), LeftOut)


def test_a_large_face_is_meant_or_the_central_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large, central = np.full(15, 10.0), np.full(15, 20.0)
    large[:4], central[:4] = (0, 0, 120, 120), (90, 90, 20, 20)
    monkeypatch.setattr(YunetFinder, "_faces", lambda self, picture: np.stack([large, central]))
    model = write_yunet(tmp_path / "yunet.onnx")
    for told, point in ((False, 10), (True, 20)):
        assert (YunetFinder(model, "test", central=told)(Image.new("RGB", (200, 200))) == point).all()


def test_photographs_are_aligned_by_the_detector_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FACELEAK_WEIGHTS", raising=False)
    monkeypatch.setenv("FACELEAK_DATA", str(tmp_path / "data"))
    faces = tmp_path / "faces"
    (faces / "al").mkdir(parents=True)
    for number in range(2):
        discs(TEMPLATE - TEMPLATE[1] + [112, 80 + 8 * number] + 3.5, (220, 200)).save(faces / "al" / f"al_{number}.png")
    Image.new("RGB", (200, 180), (60, 60, 60)).save(faces / "al" / "wall.png")
    model = write_yunet(tmp_path / "data" / "aux" / "face_detection_yunet_2023mar.onnx")
    dataset = FolderDataset({"path": str(faces), "align": "photographs"})
    dataset.load(LoadContext(Store(tmp_path / "store").get, Progress()))
    assert len(dataset.table) == 2
    assert dataset.left_out["sample"].tolist() == ["al/wall.png"]
    told = {"path": str(faces), "align": "photographs"}
    named = [FolderDataset({**told, "detector": one}) for one in ("yunet", str(model))]
    assert {one._key()["aligned"]["yunet"] for one in named} == {dataset._key()["aligned"]["yunet"]}
    write_pack(tmp_path / ".insightface" / "models" / "buffalo_l")
    assert "yunet" not in dataset._key()["aligned"], "the larger detector, as before, where it is there"
    gone = FolderDataset({**told, "detector": "gone.onnx"})
    with pytest.raises(InputError, match=r"no detector at gone\.onnx; `faceleak prepare photographs`"):
        gone._key()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match=r"need the package opencv-python-headless.*faceleak\[align\]"):
        YunetFinder(model, "test")(Image.new("RGB", (64, 64)))


def test_a_file_that_is_no_yunet_is_one_sentence(tmp_path: Path) -> None:
    other = write_pack(tmp_path / "pack") / "genderage.onnx"
    with pytest.raises(InputError, match=r"OpenCV cannot run .*genderage\.onnx .*wants YuNet of 2023"):
        YunetFinder(other, "test")(Image.new("RGB", (96, 96)))
    (tmp_path / "cut.onnx").write_bytes(b"cut")
    with pytest.raises(InputError, match="not a readable ONNX file"):
        YunetFinder(tmp_path / "cut.onnx", "test")(Image.new("RGB", (96, 96)))


@pytest.mark.data
def test_real_faces_are_found_where_they_are(data_pack: Path) -> None:
    """Aligned faces in a black frame, which YuNet alone finds up to six pixels off: cut chins draw mouths up."""
    finder = photograph_finder("yunet", "", "test")
    off = []
    with zipfile.ZipFile(data_pack / "faces" / "lfw112_core.zip") as archive:
        for name in sorted(archive.namelist())[::400]:
            framed = Image.new("RGB", (250, 250))
            framed.paste(Image.open(io.BytesIO(archive.read(name))), (69, 69))
            found = finder(framed)
            assert not isinstance(found, LeftOut), name
            off.append(found - 69 - TEMPLATE)
    assert np.abs(np.mean(off, axis=0)).max() < 2.5
    assert np.abs(off).mean() < 2
