"""Splits share no person and no picture, and depend on names only."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from faceleak.bench.core.errors import DataError
from faceleak.datasets.splits import SplitSpec, check_disjoint, make_splits
from hypothesis import given, settings
from hypothesis import strategies as st

SPECS = {
    "public": SplitSpec(identities=10, images=3),
    "calibration": SplitSpec(identities=5, images=2),
    "victims": SplitSpec(images=4, min_images=2),
}


def _data(people: int = 30, seed: int = 0) -> SimpleNamespace:
    """People with 1 to 6 pictures each."""
    rng = np.random.default_rng(seed)
    rows = [(f"p{i:03d}/{k}", f"p{i:03d}") for i in range(people) for k in range(rng.integers(1, 7))]
    table = pd.DataFrame(rows, columns=["sample", "identity"]).assign(group=lambda t: t["identity"].str[-1])
    table["sha"] = "s" + table["sample"]
    return SimpleNamespace(name="data", table=table)


@given(st.integers(0, 50), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_disjoint_capped_and_independent_of_file_order(population: int, seed: int) -> None:
    data = _data(seed=population)
    splits = make_splits(data, SPECS, seed)
    check_disjoint(splits)
    counts = splits.groupby(["split", "identity"]).size()
    for name, spec in SPECS.items():
        assert counts[name].max() <= spec.images
    assert counts["victims"].min() >= 2
    assert splits[splits["split"] == "public"]["identity"].nunique() == 10

    shuffled = SimpleNamespace(name="data", table=data.table.sample(frac=1, random_state=1).reset_index(drop=True))
    again = make_splits(shuffled, SPECS, seed)
    assert again["sample"].tolist() == splits["sample"].tolist()
    assert shuffled.table["sample"][again["row"]].tolist() == again["sample"].tolist(), "rows point at the pictures"


def test_another_seed_is_another_split() -> None:
    first, second = (make_splits(_data(), SPECS, seed)["sample"].tolist() for seed in (0, 1))
    assert first != second


def test_groups_are_kept_apart() -> None:
    specs = {"public": SplitSpec(groups=("1", "2")), "victims": SplitSpec(groups=("3",))}
    splits = make_splits(_data(), specs, 0)
    assert set(splits.loc[splits["split"] == "victims", "group"]) == {"3"}
    assert set(splits.loc[splits["split"] == "public", "group"]) == {"1", "2"}


def test_too_few_people_is_said_with_the_numbers() -> None:
    with pytest.raises(DataError, match=r"'public' asks for 99 identities .* 30 are left; lower"):
        make_splits(_data(), {"public": SplitSpec(identities=99)}, 0)


def test_one_picture_under_two_names_is_refused_or_dropped() -> None:
    data = _data()
    splits = make_splits(data, SPECS, 0)
    one, other = (splits.loc[splits["split"] == s, "sample"].iloc[0] for s in ("public", "victims"))
    data.table.loc[data.table["sample"].isin([one, other]), "sha"] = "twin"
    with pytest.raises(DataError, match=r"1 pictures stand in several splits .*on_duplicate"):
        make_splits(data, SPECS, 0)
    kept = make_splits(data, SPECS, 0, "drop")
    assert not {one, other} & set(kept["sample"])


def test_a_person_in_two_splits_is_refused() -> None:
    splits = make_splits(_data(), SPECS, 0)
    splits.loc[splits.index[0], "identity"] = splits["identity"].iloc[-1]
    with pytest.raises(DataError, match="identities stand in several splits"):
        check_disjoint(splits)
