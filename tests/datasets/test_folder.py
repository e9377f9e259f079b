"""Folders and zips of faces: the same pixels either way, and no traceback for what is not a picture."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from faceleak.bench.core.errors import DataError, InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DATASETS
from faceleak.bench.store import Store
from faceleak.datasets.base import FaceDataset, LoadContext
from faceleak.datasets.folder import read_pairs
from PIL import Image


def _picture(seed: int, size: tuple[int, int] = (24, 24)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Three people with two pictures each."""
    root = tmp_path / "people"
    for i in range(3):
        (root / f"P_{i}").mkdir(parents=True)
        for k in (1, 2):
            (root / f"P_{i}" / f"P_{i}_{k:04d}.png").write_bytes(_picture(10 * i + k))
    return root


def _load(path: Path, store: Path, **settings: object) -> FaceDataset:
    dataset = DATASETS.get("folder")({"path": str(path), "size": 24, **settings})
    return dataset.load(LoadContext(Store(store).get, Progress()))  # type: ignore[no-any-return]


def test_a_zip_and_a_folder_are_the_same_set(people: Path, tmp_path: Path) -> None:
    archive = tmp_path / "people.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for file in people.rglob("*.png"):
            target.write(file, file.relative_to(people))
    a, b = _load(people, tmp_path / "s"), _load(archive, tmp_path / "s")
    assert a.table[["sample", "identity", "sha"]].equals(b.table[["sample", "identity", "sha"]])
    assert torch.equal(a.images(np.arange(6)), b.images(np.arange(6)))
    assert a.sha == b.sha
    expected = np.asarray(Image.open(people / "P_1" / "P_1_0002.png")).transpose(2, 0, 1) / 255
    assert np.allclose(a.images(np.array([3]))[0], expected)


def test_pictures_are_decoded_once(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _load(people, tmp_path / "s")
    monkeypatch.setattr("faceleak.datasets.folder.read_picture", lambda *_: pytest.fail("decoded again"))
    assert len(_load(people, tmp_path / "s").table) == 6


def test_corrupt_pictures_are_named_and_refused_or_skipped(people: Path, tmp_path: Path) -> None:
    bad = {
        "empty.png": (b"", "empty"),
        "page.png": (b"<html>not here</html>", "HTML"),
        "cut.png": (_picture(1)[:200], "Error"),
        "wide.png": (_picture(1, (24, 30)), "not square"),
        "noise.jpg": (b"\x00" * 50, "Unidentified"),
    }
    for name, (content, _) in bad.items():
        (people / "P_0" / name).write_bytes(content)
    with pytest.raises(DataError, match=r"5 of 11 images cannot be read .*on_corrupt = 'skip'"):
        _load(people, tmp_path / "s")
    dataset = _load(people, tmp_path / "s", on_corrupt="skip")
    assert len(dataset.table) == 6
    reasons = dataset.corrupt.set_index("sample")["reason"]
    for name, (_, word) in bad.items():
        assert word in reasons[f"P_0/{name}"], reasons[f"P_0/{name}"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "absent", "does not exist"),
        (lambda p: (p / "x.zip").write_bytes(b"no zip") and p / "x.zip", "is not a zip file"),
        (lambda p: (p / "empty").mkdir() or p / "empty", "no readable image"),
    ],
)
def test_wrong_paths_are_one_sentence(tmp_path: Path, make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=message):
        _load(make(tmp_path), tmp_path / "s")


def test_a_picture_outside_a_person_s_folder_is_refused(people: Path, tmp_path: Path) -> None:
    (people / "loose.png").write_bytes(_picture(1))
    with pytest.raises(DataError, match="a folder of its own"):
        _load(people, tmp_path / "s")


def test_an_unset_variable_in_a_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NO_SUCH_PLACE, which is not set"):
        _load(Path("${NO_SUCH_PLACE}/faces"), tmp_path)


def test_pairs_are_read_and_their_mistakes_named(people: Path, tmp_path: Path) -> None:
    table = _load(people, tmp_path / "s").table
    file = tmp_path / "pairs.txt"
    file.write_text("2 1\nP_0 1 2\nP_0 1 P_1 2\nP_2\t1\t2\nP_1 1 P_2 1\n")
    pairs = read_pairs(file, table)
    assert pairs["same"].tolist() == [True, False, True, False]
    assert pairs["fold"].tolist() == [0, 0, 1, 1]
    assert pairs["b"].tolist()[:2] == ["P_0/P_0_0002.png", "P_1/P_1_0002.png"]
    for text, message in (("x\n", "first line"), ("1 1\nP_0 1\n", "expected 3 or 4"), ("1 1\nP_9 1 2\n", "no picture")):
        file.write_text(text)
        with pytest.raises(DataError, match=message):
            read_pairs(file, table)


def test_lfw_is_what_its_readme_says(data_pack: Path, tmp_path: Path) -> None:
    dataset = DATASETS.get("lfw")({"parts": "core", "size": 32})
    dataset.load(LoadContext(Store(tmp_path).get, Progress()))
    assert len(dataset.table) == 7701
    assert dataset.table["identity"].nunique() == 4281
    pairs = dataset.pairs()
    assert pairs.groupby(["fold", "same"]).size().tolist() == [300] * 20
    assert (dataset.table.groupby("identity")["group"].nunique() == 1).all(), "folds share no person"
