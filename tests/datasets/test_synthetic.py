"""The embedded default as a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from faceleak.bench.core.errors import DataError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DATASETS
from faceleak.bench.store.store import Store
from faceleak.datasets import synthetic
from faceleak.datasets.base import LoadContext

SMALL = {"size": 32, "identities": [4, 6], "images": [3, 2]}


def test_groups_have_their_own_numbers(tmp_path: Path) -> None:
    dataset = DATASETS.get("synthetic")(SMALL).load(LoadContext(Store(tmp_path).get, Progress()))
    assert dataset.table.groupby("group")["identity"].nunique().to_dict() == {"0": 4, "1": 6}
    assert dataset.table.groupby("identity").size().tolist() == [3] * 4 + [2] * 6
    assert dataset.table["sha"].is_unique
    part = dataset.table.iloc[[7, 2]]
    again = np.stack(list(dataset._read(part)))
    assert np.array_equal(again, dataset._pixels[[7, 2]]), "a picture does not depend on what is rendered beside it"


def test_processes_and_one_process_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = DATASETS.get("synthetic")({"size": 32, "identities": [16], "images": [2]})
    alone = np.stack(list(dataset._read(dataset._index())))
    monkeypatch.setattr(synthetic, "_CHUNK", 4)
    monkeypatch.setattr(synthetic.os, "cpu_count", lambda: 2)
    assert np.array_equal(np.stack(list(dataset._read(dataset._index()))), alone)


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match="lists of positive numbers of one length"):
        DATASETS.get("synthetic")({"identities": [3, 4], "images": [2]})._index()
