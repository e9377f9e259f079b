"""Folders and zips of pictures: one table and the same pixels; what cannot be read is counted and named."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from faceleak.bench.core.errors import DataError
from faceleak.bench.core.progress import Progress
from faceleak.bench.store.store import Store
from faceleak.datasets import folder as folder_module
from faceleak.datasets.base import LoadContext
from faceleak.datasets.folder import FolderDataset, read_pairs
from faceleak.datasets.pictures import read_picture
from PIL import Image

# '-' sorts before '/': by path and by text, the order of "al" and "al-b" differs.
PEOPLE = {"al": 2, "al-b": 1, "Zoë": 2, "bo": 1}


def encode(seed: int, size: tuple[int, int] = (24, 24), kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def fill(place: Path, people: dict[str, int] | None = None) -> Path:
    for number, (name, count) in enumerate((people or PEOPLE).items()):
        (place / name).mkdir(parents=True, exist_ok=True)
        for k in range(count):
            (place / name / f"{Path(name).name}_{k + 1:04d}.png").write_bytes(encode(10 * number + k))
    return place


def pack(place: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(place.rglob("*.*"), reverse=True):
            archive.write(file, file.relative_to(place).as_posix())
    return target


def load(store: Path, path: object, **more: Any) -> FolderDataset:
    dataset = FolderDataset({"path": str(path), "size": 24, **more})
    dataset.load(LoadContext(Store(store).get, Progress()))
    return dataset


def test_folder_and_zip_give_the_same_table_and_pixels(tmp_path: Path) -> None:
    place = fill(tmp_path / "faces")
    one = load(tmp_path / "store", place)
    two = load(tmp_path / "store", pack(place, tmp_path / "faces.zip"))
    assert one.table.drop(columns="source").equals(two.table.drop(columns="source"))
    assert one.sha == two.sha
    everything = np.arange(6)
    assert one.images(everything).equal(two.images(everything))
    assert one.images(everything).shape == (6, 3, 24, 24)
    assert set(one.table["identity"]) == {"al", "al-b", "Zoë", "bo"}
    first = np.asarray(Image.open(place / one.table["sample"][0])).transpose(2, 0, 1)
    assert np.array_equal((one.images(np.array([0]))[0] * 255).numpy().astype(np.uint8), first)


def test_several_sources_are_one_set_but_a_name_stands_once(tmp_path: Path) -> None:
    first, second = fill(tmp_path / "one", {"al": 2}), fill(tmp_path / "two", {"bo": 1})
    assert len(load(tmp_path / "store", f"{first}{os.pathsep}{second}").table) == 3
    with pytest.raises(DataError, match=r"al/al_0001\.png occurs in several sources"):
        load(tmp_path / "store", f"{first}{os.pathsep}{first}")


BAD = {
    "empty.jpg": (b"", "the file is empty"),
    "cut.jpg": (encode(5, kind="JPEG")[:300], "OSError"),
    "cut.png": (encode(5)[:300], "Error"),
    "page.jpg": (b"\xef\xbb\xbf\r\n<!DOCTYPE html><p>404</p>", "an HTML page"),
    "noise.jpg": (b"\x00\x01 no picture at all", "UnidentifiedImageError"),
    "wide.png": (encode(5, (30, 24)), "30x24, not square"),
}


def _with_bad_ones(tmp_path: Path, form: str) -> Path:
    place = fill(tmp_path / "faces")
    for name, (data, _) in BAD.items():
        (place / "al" / name).write_bytes(data)
    return place if form == "folder" else pack(place, tmp_path / "faces.zip")


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_corrupt_files_are_counted_and_named(tmp_path: Path, form: str) -> None:
    place = _with_bad_ones(tmp_path, form)
    with pytest.raises(DataError, match="6 of 12 images cannot be read") as caught:
        load(tmp_path / "store", place)
    assert "al/cut.jpg: OSError" in str(caught.value)
    assert "and 1 more" in str(caught.value)
    assert "on_corrupt = 'skip'" in str(caught.value)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_or_skipped(tmp_path: Path, form: str) -> None:
    dataset = load(tmp_path / "store", _with_bad_ones(tmp_path, form), on_corrupt="skip")
    reasons = dataset.corrupt.set_index("sample")["reason"]
    assert {Path(name).name for name in reasons.index} == set(BAD)
    for name, (_, words) in BAD.items():
        assert words in reasons[f"al/{name}"]
    clean = load(tmp_path / "store", fill(tmp_path / "clean"))
    assert dataset.table["sample"].tolist() == clean.table["sample"].tolist()
    assert dataset.images(np.arange(6)).equal(clean.images(np.arange(6)))


def test_a_picture_too_large_to_be_a_face_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "DecompressionBomb" in str(read_picture(encode(0), 24))


def test_an_encrypted_member_is_a_reason(tmp_path: Path) -> None:
    target = pack(fill(tmp_path / "faces", {"al": 1}), tmp_path / "locked.zip")
    data = bytearray(target.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the encryption bit, in both headers
        data[data.index(magic) + offset] |= 1
    target.write_bytes(bytes(data))
    with pytest.raises(DataError, match="password required"):
        load(tmp_path / "store", target)


def test_a_second_load_does_not_decode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(data: bytes, size: int) -> np.ndarray | str:
        calls.append(size)
        return read_picture(data, size)

    monkeypatch.setattr(folder_module, "read_picture", counted)
    place = fill(tmp_path / "faces")
    first = load(tmp_path / "store", place)
    assert load(tmp_path / "store", place, on_corrupt="skip").sha == first.sha
    assert len(calls) == 6
    (place / "al" / "al_0001.png").write_bytes(encode(99))
    assert load(tmp_path / "store", place).sha != first.sha
    assert len(calls) == 12


def test_wrong_places_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "x.png").write_bytes(encode(0))
    (tmp_path / "no.zip").write_bytes(b"<html>")
    for path, words in (
        ("", "no path is given"), (tmp_path / "gone", "does not exist"), (tmp_path / "empty", "no readable image"),
        (tmp_path / "flat", "in a folder of its own"), (tmp_path / "no.zip", "not a zip file"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=words):
            load(tmp_path / "store", path)


TABLE = pd.DataFrame({"sample": ["al/al_0001.png", "al/al_0002.png", "bo/bo_0001.png"]})


def test_pairs(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("2\t1\nal\t1\t2\nal\t1\tbo\t1\n\nal\t2\t1\nbo\t1\tal\t2\n")
    pairs = read_pairs(file, TABLE)
    assert pairs["a"].tolist() == ["al/al_0001.png", "al/al_0001.png", "al/al_0002.png", "bo/bo_0001.png"]
    assert pairs["b"].tolist() == ["al/al_0002.png", "bo/bo_0001.png", "al/al_0001.png", "al/al_0002.png"]
    assert pairs["same"].tolist() == [True, False, True, False]
    assert pairs["fold"].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line must be"),
        ("al 1 2\n", "first line must be"),
        ("0 0\n", "first line must be"),
        ("1 1\nal 1\n", "pair 1: expected 3 or 4 fields"),
        ("1 1\nal 1 2\nal one bo 1\n", "pair 2: 'one' is not a picture's number"),
        ("1 1\nal 1 9\n", "pair 1: the set has no picture al/al_0009"),
        ("1 1\nal 1 2\n", "1 pairs, the first line says 2"),
    ],
)
def test_wrong_pairs_are_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text(text)
    with pytest.raises(DataError, match=words):
        read_pairs(file, TABLE)


def test_the_pairs_of_a_folder(tmp_path: Path) -> None:
    place = fill(tmp_path / "faces", {"al": 2, "bo": 1})
    assert load(tmp_path / "store", place).pairs() is None
    with pytest.raises(DataError, match="does not exist"):
        load(tmp_path / "store", place, pairs=str(tmp_path / "no.txt")).pairs()
    (tmp_path / "pairs.txt").write_text("1 1\nal 1 2\nal 1 bo 1\n")
    pairs = load(tmp_path / "store", place, pairs=str(tmp_path / "pairs.txt")).pairs()
    assert pairs is not None
    assert len(pairs) == 2
