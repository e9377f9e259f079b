"""Inputs as people have them: nothing vanishes without a word, and nobody becomes somebody else."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from faceleak.bench.core.errors import DataError
from faceleak.bench.core.progress import Progress
from faceleak.bench.store.store import Store
from faceleak.datasets.base import LoadContext
from faceleak.datasets.files import pictures_in
from faceleak.datasets.folder import FolderDataset
from faceleak.datasets.insightface_bin import read_bin
from faceleak.datasets.labels import read_labels
from faceleak.datasets.pairs import read_pairs
from faceleak.datasets.people import people, without_top
from faceleak.datasets.pictures import frames, open_picture
from faceleak.datasets.recordio import unpack
from PIL import Image


def picture(seed: int, kind: str = "PNG", **more: Any) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **more)
    return file.getvalue()


def fill(place: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(picture(seed, {".jfif": "JPEG", ".tif": "TIFF"}.get(Path(name).suffix, "PNG")))
    return place


def load(place: Path, path: object, **more: Any) -> FolderDataset:
    dataset = FolderDataset({"path": str(path), "size": 8, **more})
    dataset.load(LoadContext(Store(place / "store").get, Progress(quiet=True)))
    return dataset


def test_links_are_entered_once_and_loops_are_named(tmp_path: Path) -> None:
    fill(tmp_path / "else/where", "1.png")
    place = fill(tmp_path / "faces", "al/1.png")
    (place / "bo").symlink_to(tmp_path / "else/where")
    (place / "al/up").symlink_to(place)
    (place / "again").symlink_to(place / "al")
    (place / "al/gone.png").symlink_to("nowhere.png")
    (place / "al/self").symlink_to("self")
    found, passed = pictures_in(place)
    assert [one.file for one in found] == ["al/1.png", "bo/1.png"]
    assert "read already" in passed["again"]
    assert "read already" in passed["al/up"]
    assert passed["al/gone.png"] == passed["al/self"] == "a link to nothing"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(fill(tmp_path, "al/1.png") / "al/pipe.png")
    assert pictures_in(tmp_path)[1] == {"al/pipe.png": "neither file nor folder"}


def test_the_account_of_a_folder(tmp_path: Path) -> None:
    place = fill(tmp_path / "f", "al/1.jfif", "bo/2.tif", "bo/.thumbs/2.png", "bo/._2.tif")
    (place / "bo/read.txt").write_text("no")
    (place / "bo/phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (place / "bo/nameless").write_bytes(picture(9))
    (place / "bo/empty.png").write_bytes(b"")
    data = load(tmp_path, place, on_corrupt="skip")
    seen = data.inventory.summary()
    assert (seen["pictures"], seen["read"], seen["identities"]) == (3, 2, 2)
    assert seen["unreadable"] == {"the file is empty": 1}
    assert sum(seen["passed_over"].values()) == 5
    sentence = data.inventory.sentence()
    for words in ("by the folder that holds the picture", "faceleak[heic]", "by its first bytes", "bo/read.txt"):
        assert words in sentence, sentence
    assert "phone" not in str(seen), "what is published holds no names"


@pytest.mark.skipif(os.name != "posix", reason="names are text elsewhere")
def test_a_name_that_is_no_text_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "al/1.png")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/al/\xff.png"))).write_bytes(picture(0))
    found, passed = pictures_in(tmp_path)
    assert len(found) == 1
    assert list(passed.values()) == ["its name is no text; rename it"]


def archive(file: Path, *names: str) -> Path:
    with zipfile.ZipFile(file, "w") as packed:
        for seed, name in enumerate(names):
            packed.writestr(name, picture(seed))
    return file


def test_a_zip_as_published_is_the_folder_that_it_holds(tmp_path: Path) -> None:
    place = fill(tmp_path / "f", "Zoe\u0308 B/1.png", "al/1.png")
    names = ("set/Zo\u00eb B/1.png", "set/al/1.png", "__MACOSX/set/al/._1.png", "set/al/Thumbs.db", "set/._al")
    packed = load(tmp_path, archive(tmp_path / "set.zip", *names))
    assert packed.sha == load(tmp_path, place).sha
    assert packed.table["identity"].tolist() == ["Zo\u00eb B", "al"]
    assert packed.inventory.summary()["passed_over"] == {"a file of the system that packed or showed the pictures": 3}


@pytest.mark.parametrize("name", ["../x/1.png", "/al/1.png", "al/../../1.png", "C:\\al\\1.png", "..\\al\\1.png"])
def test_members_outside_of_an_archive_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="outside of the archive"):
        pictures_in(archive(tmp_path / "x.zip", name))


def test_a_member_that_unpacks_to_gigabytes_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceleak.datasets.files.MOST_BYTES", 100)
    with pytest.raises(DataError, match="MiB, more than"):
        load(tmp_path, archive(tmp_path / "x.zip", "al/1.png", "bo/1.png"))


def ways(*texts: str) -> list[tuple[str, ...]]:
    return [tuple(text.split("/")) for text in texts]


PERSONS = [f"p{i}" for i in range(5)]


@pytest.mark.parametrize(
    ("found", "names"),
    [
        ([f"{p}/{s}" for p in PERSONS for s in ("frontal", "profile")], PERSONS),
        ([f"{p}/{s}" for i, p in enumerate(PERSONS) for s in range(1 + i % 2)], PERSONS),
        ([f"{s}/{p}" for p in PERSONS for s in ("a", "b")], PERSONS),
        ([f"Train/{p}" for p in PERSONS[:3]] + [f"test/{p}" for p in PERSONS[3:]], PERSONS),
        ([f"{s}/{p}/{t}" for p in PERSONS for s in ("train", "val") for t in "xy"], PERSONS),
        ([f"{p}/faces" for p in PERSONS], PERSONS),
        ([f"data/images/{p}/{s}" for p in PERSONS for s in "lr"], PERSONS),
    ],
)
def test_the_person_where_it_is_clear(found: list[str], names: list[str]) -> None:
    top = without_top(ways(*found))
    assert sorted(set(people(ways(*found), [top] * len(found), 0, "x")[0])) == names


@pytest.mark.parametrize(
    "found",
    [
        [f"{'men' if i % 2 else 'women'}/{p}" for i, p in enumerate(PERSONS)],
        [f"{p}/video{i}" for i, p in enumerate(PERSONS)],
        ["a/b", "c/d", "a/d", "c/b"],
        ["al", "bo", "bo/more"],
    ],
)
def test_what_is_not_clear_is_refused_and_can_be_said(found: list[str]) -> None:
    with pytest.raises(DataError, match="names the person; set `person`: 1 gives"):
        people(ways(*found), [0] * len(found), 0, "x")
    assert people(ways(*found), [0] * len(found), 1, "x")[0] == [one.split("/")[0] for one in found]
    assert people(ways(*found), [0] * len(found), -1, "x")[0] == [one.split("/")[-1] for one in found]
    with pytest.raises(DataError, match=r"only \d deep"):
        people(ways(*found), [0] * len(found), 3, "x")


TABLE = pd.DataFrame({"sample": ["Zo\u00eb B/Zo\u00eb B_0001.png", "Zo\u00eb B/Zo\u00eb B_0002.png", "al/al_0001.jpg"]})


@pytest.mark.parametrize(
    "data",
    [
        "1\t1\nZo\u00eb B\t1\t2\nZo\u00eb B\t1\tal\t1\n".encode("utf-8-sig"),
        "1 1\r\nZoe\u0308 B 1 2\r\nZo\u00eb B 1 al 1\r\n".encode("utf-16"),
        "1 1\nZo\u00eb B 1 2\nZo\u00eb B 1 al 1\n".encode("latin-1"),
        "1\nZo\u00eb B\t1\t2\nZo\u00eb B\t1\tal\t1\n".encode(),
        "name,imagenum1,imagenum2,\nZo\u00eb B,1,2,\nZo\u00eb B,1,al,1\n".encode(),
        "a,b,same\nZo\u00eb B/Zo\u00eb B_0001.png,Zo\u00eb B/Zo\u00eb B_0002.png,1\n"
        "top/Zo\u00eb B/Zo\u00eb B_0001.png,top/al/al_0001.jpg,0\n".encode(),
    ],
)
def test_pairs_as_they_are_written(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "pairs").write_bytes(data)
    pairs = read_pairs(tmp_path / "pairs", TABLE)
    assert pairs["a"].tolist() == [TABLE["sample"][0]] * 2
    assert pairs["b"].tolist() == TABLE["sample"][1:].tolist()
    assert pairs["same"].tolist() == [True, False]


def pixel(image: Image.Image, kind: str = "PNG", **more: Any) -> Any:
    file = io.BytesIO()
    image.save(file, kind, **more)
    opened = open_picture(file.getvalue())
    return opened if isinstance(opened, str) else opened.getpixel((0, 0))


def test_pictures_look_as_a_viewer_shows_them() -> None:
    grey = np.full((4, 4), 0x8080, np.uint16)
    assert pixel(Image.fromarray(grey)) == (128,) * 3
    assert pixel(Image.fromarray(grey), "TIFF") == (128,) * 3
    assert pixel(Image.fromarray(grey.astype(np.int32)), "PPM") == (128,) * 3
    assert "no known range" in pixel(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF")
    assert pixel(Image.new("RGBA", (4, 4), (255, 0, 0, 51))) == (255, 204, 204)
    assert "transparent all over" in pixel(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))
    assert pixel(Image.new("P", (4, 4), 3), transparency=0) == pixel(Image.new("P", (4, 4), 3))
    assert frames(picture(0, "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8))])) == 2


def test_a_bin_in_every_dress(tmp_path: Path) -> None:
    pictures = [picture(i) for i in range(4)]
    arrays = [np.frombuffer(one, np.uint8) for one in pictures]
    column = [one.copy()[:, None] for one in arrays]
    objects = np.array(pictures, dtype=object)
    for protocol in range(6):
        for content in (pictures, arrays, column, objects, list(map(bytearray, pictures)), tuple(pictures)):
            for same in ([True, False], np.array([1, 0]), [1.0, -1.0], list(np.array([True, False]))):
                (tmp_path / "x.bin").write_bytes(pickle.dumps((content, same), protocol))
                assert read_bin(tmp_path / "x.bin") == (pictures, [True, False])


@pytest.mark.parametrize("labels", [[1, 2], [1, float("nan")], ["1", "0"], [0, -1], [None, 1]])
def test_labels_that_say_neither_are_refused(tmp_path: Path, labels: list[Any]) -> None:
    (tmp_path / "x.bin").write_bytes(pickle.dumps(([b"a"] * 4, labels)))
    with pytest.raises(DataError, match="are expected"):
        read_bin(tmp_path / "x.bin")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\0\0\0\0\x40\x85R.",  # 256 GiB of zeros
        b"\x80\x02]r\xff\xff\xff\x7f.",  # a memo of two billion places
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
        b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0zip\x86R.",
    ],
)
def test_a_pickle_cannot_reserve_what_it_does_not_hold(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.bin").write_bytes(data)
    with pytest.raises(DataError, match=r"x\.bin"):
        read_bin(tmp_path / "x.bin")


def test_a_record_without_a_persons_number_is_refused() -> None:
    for label in (float("nan"), float("inf"), -1.0, 1.5, float(1 << 25)):
        with pytest.raises(DataError, match="no person's number"):
            unpack(struct.pack("<IfQQ", 0, label, 0, 0) + b"x")
    with pytest.raises(DataError, match="says that it has 9 labels"):
        unpack(struct.pack("<IfQQ", 9, 0, 0, 0) + b"x")


def test_labels_from_spreadsheets(tmp_path: Path) -> None:
    table = pd.DataFrame({"sample": ["a/1", "b/1"], "identity": ["a", "b"]})
    file = tmp_path / "l.csv"
    file.write_bytes("identity; hat ;x\na;1.0;yes \nb;1; yes\n".encode("utf-16"))
    assert read_labels(str(file), table).classes == {"hat": ("1",), "x": ("yes",)}
    for word in ("NaN", "", " ", "N/A", "null"):
        file.write_text(f"identity,hat\na,1\nb,{word}\n")
        with pytest.raises(DataError, match="'b' has no entry for 'hat'"):
            read_labels(str(file), table)
