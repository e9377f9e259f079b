"""Label files: pictures or persons, and everything that can be wrong with them; the synthetic faces' own labels."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from faceleak.bench.core.errors import DataError, InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DATASETS
from faceleak.datasets.base import LoadContext
from faceleak.datasets.labels import read_labels
from faceleak.datasets.splits import SplitSpec, face_set, make_splits

TABLE = pd.DataFrame({"sample": ["a/1.jpg", "a/2.jpg", "b/1.jpg"], "identity": ["a", "a", "b"]})


def _file(folder: Path, text: str) -> str:
    (folder / "labels.csv").write_text(text)
    return str(folder / "labels.csv")


def test_rows_name_pictures_or_persons(tmp_path: Path) -> None:
    text = "file,hat,tone\nb/1.jpg,yes,3\na/2.jpg,no,1\na/1.jpg,no,2\nelse.jpg,yes,4\n"
    found = read_labels(_file(tmp_path, text), TABLE)
    assert found.classes == {"hat": ("no", "yes"), "tone": ("1", "2", "3", "4")}
    assert found.labels["hat"].tolist() == [0, 0, 1]
    assert found.labels["tone"].tolist() == [1, 0, 2]
    by_person = read_labels(_file(tmp_path, "identity,sex\na,f\nb,m\n"), TABLE)
    assert by_person.labels["sex"].tolist() == [0, 0, 1]
    assert by_person.take(torch.tensor([2, 0])).labels["sex"].tolist() == [1, 0]
    assert by_person.sha != found.sha


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,hat\na/1.jpg,no\na/2.jpg,no\n", r"1 of 3 sample names of the set have no row \(first: 'b/1.jpg'\)"),
        ("identity,hat\na,no\n", r"1 of 2 identity names of the set have no row \(first: 'b'\)"),
        ("photo,hat\na/1.jpg,no\n", "first column must be one of sample, file, identity, got 'photo'"),
        ("identity\na\nb\n", "has no column beside 'identity'"),
        ("identity,hat\na,no\na,yes\nb,no\n", "'a' has several rows"),
        ("identity,hat\na,no\nb,\n", "'b' has no entry for 'hat'"),
        ("identity,age\n" + "".join(f"{i},{i}\n" for i in range(30)), "'age' has 30 distinct entries"),
        ("", "is not a CSV"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(_file(tmp_path, text), TABLE)


def test_a_file_that_is_not_there_or_a_variable_that_is_not_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_labels(str(tmp_path / "none.csv"), TABLE)
    with pytest.raises(InputError, match="NOT_SET_ANYWHERE"):
        read_labels("${NOT_SET_ANYWHERE}/labels.csv", TABLE)


def test_splits_carry_labels_and_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    data = DATASETS.get("toy-faces")({"identities": 6, "labels": _file(tmp_path, "identity,hat\np000,no\np001,yes\n")})

    def cache(kind, spec, build):  # type: ignore[no-untyped-def]
        build(tmp_path)
        return tmp_path

    data.load(LoadContext(cache, Progress()))
    splits = make_splits(data, {"public": SplitSpec(images=2)}, 0)
    public = face_set(data, splits, "public")
    with pytest.raises(DataError, match="4 of 6 identity names"):
        public.attributes  # noqa: B018
    known = [i for i, name in enumerate(public.identities) if name in ("p000", "p001")]
    some = face_set(data, splits.iloc[known], "public")
    assert some.attributes is not None
    assert [some.identities[i] for i in torch.nonzero(some.attributes.labels["hat"]).flatten()] == ["p001"] * 2
    part = some.subset(torch.tensor([1, 3]), "part")
    assert part.attributes is not None
    assert part.attributes.labels["hat"].tolist() == some.attributes.labels["hat"][[1, 3]].tolist()


def test_synthetic_faces_know_what_they_wear() -> None:
    data = DATASETS.get("synthetic")({"identities": [30], "images": [2]})
    data.table = data._index()
    found = data.attributes(data.table.index.to_numpy()[::-1])
    assert found is not None
    assert {"glasses", "male_like", "bald"} <= set(found.labels)
    assert all(labels.shape == (60,) for labels in found.labels.values())
    persons = found.labels["male_like"].reshape(30, 2)
    assert (persons[:, 0] == persons[:, 1]).all(), "who one is does not change from picture to picture"
    assert (found.labels["glasses"].reshape(30, 2).diff(dim=1) != 0).any(), "what one wears does"
