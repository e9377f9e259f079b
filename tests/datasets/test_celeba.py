"""CelebA's layout on a tiny tree of its own: people, partition, landmarks, and what is wrong with a copy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faceleak.bench.core.errors import DataError
from faceleak.bench.core.progress import Progress
from faceleak.bench.store.store import Store
from faceleak.datasets.alignment import TEMPLATE
from faceleak.datasets.base import LoadContext
from faceleak.datasets.celeba import CelebA
from packs import COLORS, discs

PEOPLE = [7, 7, 12, 12, 7, 30]  # of the pictures 1, 2, ...
PARTS = [0, 0, 1, 1, 0, 2]


def write(root: Path) -> Path:
    """Six pictures of 178x218 with five discs where the landmarks say."""
    folder = root / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    points = [(TEMPLATE * (1.0 + 0.1 * number) + [15 + number, 35 - number]).round() for number in range(6)]
    names = [f"{number + 1:06d}.jpg" for number in range(6)]
    for name, found in zip(names, points):
        discs(found, (178, 218)).save(folder / "img_align_celeba" / name, quality=95)
    for file, values in (("identity_CelebA.txt", PEOPLE), ("list_eval_partition.txt", PARTS)):
        (folder / file).write_text("".join(f"{name} {value}\n" for name, value in zip(names, values)))
    lines = [f"{name}  {' '.join(str(int(v)) for v in found.ravel())}\n" for name, found in zip(names, points)]
    header = (
        "6\nlefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y\n"
    )
    (folder / "list_landmarks_align_celeba.txt").write_text(header + "".join(lines))
    return root


def load(root: Path, **more: Any) -> CelebA:
    dataset = CelebA({"root": str(root), **more})
    dataset.load(LoadContext(Store(root.parent / "store").get, Progress()))
    return dataset


def test_people_parts_and_aligned_faces(tmp_path: Path) -> None:
    dataset = load(write(tmp_path / "data"))
    assert dataset.table["identity"].tolist() == ["00007", "00007", "00012", "00012", "00007", "00030"]
    assert dataset.table["group"].tolist() == ["train", "train", "valid", "valid", "train", "test"]
    faces = dataset.images(np.arange(6))
    assert faces.shape == (6, 3, 112, 112)
    for (x, y), color in zip(TEMPLATE.round().astype(int), COLORS):
        seen = faces[:, :, y, x] * 255
        assert float((seen - seen.new_tensor(color)).abs().max()) < 60, "JPEG's colours"
    assert load(tmp_path / "data" / "celeba").sha == dataset.sha, "the folder itself will do"


def test_only_some_parts(tmp_path: Path) -> None:
    dataset = load(write(tmp_path / "data"), parts="valid+test")
    assert dataset.table["sample"].tolist() == ["000003.jpg", "000004.jpg", "000006.jpg"]
    for parts in ("", "val", "test+test"):
        with pytest.raises(DataError, match="parts must be some of train\\+valid\\+test"):
            load(tmp_path / "data", parts=parts)


def test_a_missing_picture_is_corrupt(tmp_path: Path) -> None:
    root = write(tmp_path / "data")
    (root / "celeba" / "img_align_celeba" / "000002.jpg").unlink()
    with pytest.raises(DataError, match="1 of 6 images cannot be read"):
        load(root)
    assert len(load(root, on_corrupt="skip").table) == 5


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("identity_CelebA.txt", None, "does not exist; lay the set out as torchvision"),
        ("identity_CelebA.txt", "000001.jpg one\n", "a picture and 1 whole numbers"),
        ("identity_CelebA.txt", "000001.jpg 1\n000001.jpg 2\n", "stands there twice"),
        ("list_eval_partition.txt", "000001.jpg 0\n", "says nothing of 000002.jpg"),
        ("list_eval_partition.txt", "".join(f"00000{n}.jpg 3\n" for n in range(1, 7)), "has a part 3"),
        ("list_landmarks_align_celeba.txt", "6\nheader\n000001.jpg 1 2 3\n", "a picture and 10 whole numbers"),
        ("list_landmarks_align_celeba.txt", "", "says nothing of 000001.jpg"),
    ],
)
def test_bad_lists_are_one_sentence(tmp_path: Path, file: str, text: str | None, words: str) -> None:
    place = write(tmp_path / "data") / "celeba" / file
    place.unlink()
    if text is not None:
        place.write_text(text)
    with pytest.raises(DataError, match=words):
        load(tmp_path / "data")


def test_no_set_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no root is given"):
        CelebA({})._key()
    shutil.rmtree(write(tmp_path / "data") / "celeba" / "img_align_celeba")
    with pytest.raises(DataError, match="img_align_celeba does not exist"):
        load(tmp_path / "data")
