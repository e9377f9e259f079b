"""LFW as it lies in the data pack: complete, folds disjoint, official pairs all there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from faceleak.bench.core.errors import DataError
from faceleak.bench.core.progress import Progress
from faceleak.bench.store.store import Store
from faceleak.datasets.alignment import TEMPLATE
from faceleak.datasets.base import LoadContext
from faceleak.datasets.lfw import Lfw
from faceleak.datasets.splits import SplitSpec, make_splits


@pytest.fixture(scope="session")
def lfw(data_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Lfw:
    """All of it, decoded once in a session."""
    dataset = Lfw({"root": str(data_pack / "faces")})
    dataset.load(LoadContext(Store(tmp_path_factory.mktemp("lfw")).get, Progress()))
    return dataset


def test_it_is_complete(lfw: Lfw) -> None:
    assert len(lfw.table) == 13_233
    assert lfw.table["identity"].nunique() == 5_749
    assert not len(lfw.corrupt)
    assert lfw.images(np.array([0, 13_232])).shape == (2, 3, 112, 112)


def test_the_folds_share_no_person(lfw: Lfw) -> None:
    assert set(lfw.table["group"]) == {"-1", *map(str, range(10))}
    assert lfw.table.groupby("identity")["group"].nunique().max() == 1


def test_the_official_pairs_stay_within_their_folds(lfw: Lfw) -> None:
    pairs = lfw.pairs()
    assert pairs is not None
    assert len(pairs) == 6_000
    assert (pairs.groupby("fold")["same"].agg(["sum", "size"]) == [300, 600]).all(axis=None)
    table = lfw.table.set_index("sample")
    for side in ("a", "b"):
        assert (table.loc[pairs[side], "group"].to_numpy() == pairs["fold"].astype(str).to_numpy()).all()
    same = table.loc[pairs["a"], "identity"].to_numpy() == table.loc[pairs["b"], "identity"].to_numpy()
    assert (same == pairs["same"].to_numpy()).all()


def test_the_suggested_splits_can_be_made(lfw: Lfw) -> None:
    specs = {
        "public": SplitSpec(groups=("-1", *map(str, range(7)))),
        "calibration": SplitSpec(groups=("7",)),
        "victims": SplitSpec(groups=("8", "9")),
    }
    splits = make_splits(lfw, specs, 0, "drop")
    assert splits.loc[splits["split"] == "victims", "identity"].nunique() == 890
    assert splits.groupby("identity").size().max() == 20


def test_aligned_faces_have_their_landmarks_near_the_template(lfw: Lfw) -> None:
    assert lfw.anatomy(np.arange(4)) is None, "no model was named"
    told = Lfw({"root": lfw.settings.root, "landmarks": "${FACELEAK_DATA}/aux/landmarks5_retail0009.onnx"})
    told._pixels = lfw._pixels
    known = told.anatomy(np.arange(0, 13_000, 500))
    assert known is not None
    off = np.abs(known.landmarks.numpy() * 112 - 0.5 - TEMPLATE)  # pixels
    assert off.mean() < 3


def test_wrong_settings_are_one_sentence(data_pack: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lfw112_core\.zip does not exist; set dataset\.settings\.root"):
        Lfw({"root": str(tmp_path)}).sources()
    with pytest.raises(DataError, match="parts must be 'core' or 'core\\+rest', got 'rest'"):
        Lfw({"root": str(data_pack / "faces"), "parts": "rest"}).sources()
