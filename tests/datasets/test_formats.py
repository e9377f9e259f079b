"""insightface's .bin and RecordIO: equal pictures in any format are equal sets; bad files are named."""

from __future__ import annotations

import io
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from faceleak.bench.core.errors import DataError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DATASETS
from faceleak.bench.metrics.verification import tenfold_accuracy
from faceleak.bench.store.store import Store
from faceleak.datasets.base import FaceDataset, LoadContext
from faceleak.datasets.insightface_bin import read_bin
from faceleak.datasets.recordio import MAGIC
from PIL import Image

PEOPLE, EACH, SIDE = 12, 4, 24


def picture(person: int, number: int) -> bytes:
    base = np.random.default_rng(person).integers(0, 256, (SIDE, SIDE, 3))
    noise = np.random.default_rng(1000 + EACH * person + number).integers(-60, 60, base.shape)
    file = io.BytesIO()
    Image.fromarray((base + noise).clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def official() -> list[tuple[int, int, int, int, bool]]:
    """(person, number, person, number, same)."""
    genuine = [(p, 0, p, n, True) for p in range(PEOPLE) for n in (1, 2, 3)][:30]
    impostor = [(p, n, (p + 1) % PEOPLE, n, False) for p in range(PEOPLE) for n in (0, 1, 2)][:30]
    return [pair for both in zip(genuine, impostor) for pair in both]


def write_bin(file: Path) -> Path:
    pictures = [picture(*one) for a, i, b, j, _ in official() for one in ((a, i), (b, j))]
    file.write_bytes(pickle.dumps((pictures, [same for *_, same in official()]), protocol=2))
    return file


def record(data: bytes) -> bytes:
    """As MXNet writes: split wherever the magic lies at a multiple of four bytes."""
    word, parts, start = struct.pack("<I", MAGIC), [], 0
    for at in range(0, len(data) - 3, 4):
        if data[at : at + 4] == word:
            parts.append(data[start:at])
            start = at + 4
    parts.append(data[start:])
    found = b""
    for number, part in enumerate(parts):
        kind = 0 if len(parts) == 1 else 1 if number == 0 else 3 if number == len(parts) - 1 else 2
        found += word + struct.pack("<I", kind << 29 | len(part)) + part + bytes(-len(part) % 4)
    return found


def write_rec(file: Path, poisoned: bool = False) -> Path:
    first = struct.pack("<IfQQ", 2, 0.0, 0, 0) + struct.pack("<ff", PEOPLE * EACH + 1, PEOPLE * EACH + 1)
    records = [record(first)]
    for person in range(PEOPLE):
        for number in range(EACH):
            data = picture(person, number)
            if poisoned and not person and not number:
                tail = struct.pack("<I", MAGIC)
                data += bytes(-(24 + len(data)) % 4) + tail + b"abcd" + tail  # behind a PNG's end nobody reads
            records.append(record(struct.pack("<IfQQ", 0, float(person), 1 + EACH * person + number, 0) + data))
    offsets = np.cumsum([0, *map(len, records)])
    file.write_bytes(b"".join(records))
    file.with_suffix(".idx").write_text("".join(f"{key}\t{offset}\n" for key, offset in enumerate(offsets[:-1])))
    return file


def write_folder(place: Path) -> Path:
    for person in range(PEOPLE):
        (place / f"p{person:02d}").mkdir(parents=True)
        for number in range(EACH):
            (place / f"p{person:02d}" / f"p{person:02d}_{number + 1:04d}.png").write_bytes(picture(person, number))
    return place


def load(store: Path, kind: str, path: Path) -> FaceDataset:
    dataset: FaceDataset = DATASETS.get(kind)({"path": str(path), "size": SIDE})
    return dataset.load(LoadContext(Store(store).get, Progress()))


def accuracy(dataset: FaceDataset, pairs: pd.DataFrame) -> float:
    """Ten-fold, of the pictures' own pixels as embeddings."""
    z = dataset.images(np.arange(len(dataset.table))).flatten(1).double()
    z = torch.nn.functional.normalize(z - 0.5, dim=1)
    place = {name: i for i, name in enumerate(dataset.table["sample"])}
    first, second = ([place[name] for name in pairs[side]] for side in ("a", "b"))
    return tenfold_accuracy(
        (z[first] * z[second]).sum(1).numpy(), pairs["same"].to_numpy(), pairs["fold"].to_numpy()
    ).mean


def test_three_formats_of_the_same_pictures_are_the_same_set(tmp_path: Path) -> None:
    folder = load(tmp_path / "store", "folder", write_folder(tmp_path / "faces"))
    rec = load(tmp_path / "store", "recordio", write_rec(tmp_path / "train.rec"))
    binary = load(tmp_path / "store", "insightface-bin", write_bin(tmp_path / "set.bin"))
    assert folder.table["sha"].tolist() == rec.table["sha"].tolist()
    assert rec.table["identity"].nunique() == PEOPLE
    pairs = binary.pairs()
    assert pairs is not None
    assert pairs["same"].sum() == 30
    assert sorted(pairs["fold"].unique()) == list(range(10))
    named = {"folder": "p{0:02d}/p{0:02d}_{2:04d}.png", "rec": "{1:09d}"}
    found = {"bin": accuracy(binary, pairs)}
    for kind, dataset in (("folder", folder), ("rec", rec)):
        mine = pairs.copy()
        for side, at in (("a", 0), ("b", 2)):
            mine[side] = [
                named[kind].format(one[at], 1 + EACH * one[at] + one[at + 1], one[at + 1] + 1) for one in official()
            ]
        place = {name: row for row, name in enumerate(dataset.table["sample"])}
        view = np.asarray([place[name] for names in zip(mine["a"], mine["b"]) for name in names])
        assert torch.equal(dataset.images(view), binary.images(np.arange(len(view))))
        found[kind] = accuracy(binary, pairs.assign(same=mine["same"], fold=mine["fold"]))
    assert len(set(found.values())) == 1
    assert found["bin"] > 0.9


def test_people_of_a_bin_are_what_genuine_pairs_and_equal_pictures_join(tmp_path: Path) -> None:
    table = load(tmp_path / "store", "insightface-bin", write_bin(tmp_path / "set.bin")).table
    assert table["identity"].nunique() == 10 + 3, "ten people with genuine pairs; three pictures that none joins"


class Evil:
    """Would make a folder when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "evil.bin"
    file.write_bytes(pickle.dumps(([Evil(tmp_path / "made"), b""], [True]), protocol=protocol))
    with pytest.raises(DataError, match=r"asks for (posix|nt|os)\.mkdir.*may be malicious"):
        read_bin(file)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no verification set"),
        (b"<html>", "no verification set"),
        (pickle.dumps(3), "holds a int"),
        (pickle.dumps(([b"a"], [True])), "1 pictures for 1 pairs"),
        (pickle.dumps((["a", "b"], [True])), "picture 1 is a str"),
        (pickle.dumps(([], [])), "0 pictures for 0 pairs"),
    ],
)
def test_what_is_no_set_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.bin"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_bin(file)


def test_numpy_arrays_and_old_strings_are_read(tmp_path: Path) -> None:
    data = picture(0, 0)
    arrays = [np.frombuffer(data, np.uint8), np.frombuffer(data, np.uint8)]
    file = tmp_path / "arrays.bin"
    for protocol in (2, 4):
        file.write_bytes(pickle.dumps((arrays, [np.bool_(True)]), protocol=protocol))
        assert read_bin(file) == ([data, data], [True])


def test_a_record_that_holds_the_magic_is_put_together(tmp_path: Path) -> None:
    poisoned = load(tmp_path / "a", "recordio", write_rec(tmp_path / "a.rec", poisoned=True))
    plain = load(tmp_path / "b", "recordio", write_rec(tmp_path / "b.rec"))
    assert (tmp_path / "a.rec").stat().st_size > (tmp_path / "b.rec").stat().st_size
    assert poisoned.sha == plain.sha


def test_record_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    file = write_rec(tmp_path / "train.rec")
    index = file.with_suffix(".idx")
    text = index.read_text()
    index.write_text(text.replace("1\t", "1\t9", 1))
    with pytest.raises(DataError, match=r"do not belong together|ends within"):
        load(tmp_path / "s1", "recordio", file)
    index.write_text("one two\n")
    with pytest.raises(DataError, match="line 1: expected 'key offset'"):
        load(tmp_path / "s2", "recordio", file)
    index.write_text(text)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match="ends within the record"):
        load(tmp_path / "s3", "recordio", file)
    index.unlink()
    with pytest.raises(DataError, match="side by side"):
        load(tmp_path / "s4", "recordio", file)


def test_the_first_people_only(tmp_path: Path) -> None:
    dataset = DATASETS.get("recordio")({"path": str(write_rec(tmp_path / "t.rec")), "size": SIDE, "identities": 3})
    dataset.load(LoadContext(Store(tmp_path / "s").get, Progress()))
    assert len(dataset.table) == 3 * EACH
