"""Splits: disjoint in persons and pictures, the same on every machine, within their caps, or one clear sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from faceleak.bench.core.errors import DataError, InputError
from faceleak.datasets.splits import SplitSpec, check_disjoint, face_set, make_splits, save_splits
from hypothesis import given, settings
from hypothesis import strategies as st

NAMES = ("train", "public", "calibration", "victims")


def faces(counts: list[int], groups: int = 1) -> Any:
    """A data set of len(counts) persons without pixels, person i in group i % groups."""
    rows = [
        {"sample": f"p{i}/{k}", "identity": f"p{i}", "group": str(i % groups), "sha": f"{i}.{k}"}
        for i, count in enumerate(counts)
        for k in range(count)
    ]
    return SimpleNamespace(
        name="made", knows=dict, table=pd.DataFrame(rows, columns=["sample", "identity", "group", "sha"])
    )


specs_of_any_kind = st.lists(
    st.builds(
        SplitSpec,
        identities=st.integers(0, 6),
        groups=st.sampled_from([(), ("0",), ("1", "2")]),
        images=st.integers(1, 5),
        min_images=st.integers(1, 3),
        max_images=st.sampled_from([0, 0, 1, 7]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(1, 6), min_size=1, max_size=40), specs=specs_of_any_kind, seed=st.integers(0, 99))
def test_any_specs_give_disjoint_splits_within_their_caps_or_a_sentence(
    counts: list[int], specs: list[SplitSpec], seed: int
) -> None:
    dataset, named = faces(counts, groups=3), dict(zip(NAMES, specs, strict=False))
    try:
        splits = make_splits(dataset, named, seed)
    except DataError as error:
        assert "lower `identities` or `min_images`" in str(error)  # noqa: PT017 (either is right)
        return
    assert splits.groupby("identity")["split"].nunique().max() == 1
    assert not splits["sample"].duplicated().any()
    assert (dataset.table["sample"].iloc[splits["row"]].to_numpy() == splits["sample"].to_numpy()).all()
    size = dict(enumerate(counts))
    for name, spec in named.items():
        part = splits[splits["split"] == name]
        per = part.groupby("identity").size()
        assert len(part)
        assert per.max() <= spec.images
        assert len(part) <= (spec.max_images or len(part))
        assert not spec.identities or len(per) == spec.identities or (spec.max_images and len(per) < spec.identities)
        assert not spec.groups or set(part["group"]) <= set(spec.groups)
        assert all(size[int(identity[1:])] >= spec.min_images for identity in per.index)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(18)), seed=st.integers(0, 9))
def test_the_order_of_the_files_does_not_matter(order: list[int], seed: int) -> None:
    dataset, specs = faces([3] * 6), {"public": SplitSpec(2, images=2), "victims": SplitSpec(3, images=2)}
    mixed = SimpleNamespace(name="made", knows=dict, table=dataset.table.iloc[order].reset_index(drop=True))
    plain = make_splits(dataset, specs, seed).drop(columns="row")
    assert plain.equals(make_splits(dataset, specs, seed).drop(columns="row"))
    assert plain.equals(make_splits(mixed, specs, seed).drop(columns="row"))


def test_another_seed_takes_other_persons() -> None:
    dataset, specs = faces([2] * 50), {"victims": SplitSpec(10)}
    first, second = (set(make_splits(dataset, specs, seed)["identity"]) for seed in (0, 1))
    assert first != second


def test_later_splits_do_not_change_earlier_ones() -> None:
    dataset, public = faces([2] * 20), {"public": SplitSpec(5)}
    both = make_splits(dataset, public | {"victims": SplitSpec(7)}, 0)
    assert both[both["split"] == "public"].equals(make_splits(dataset, public, 0))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (SplitSpec(9), "'victims' asks for 9 identities with at least 1 images, 6 are left"),
        (SplitSpec(2, min_images=4), "at least 4 images, 0 are left"),
        (SplitSpec(4, groups=("0",)), "in groups 0, 2 are left"),
        (SplitSpec(0, groups=("7",)), "in groups 7, 0 are left"),
    ],
)
def test_too_few_identities_is_one_sentence(spec: SplitSpec, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        make_splits(faces([3] * 6, groups=3), {"victims": spec}, 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"images": 0}, {"identities": -1}, {"max_images": -2}, {"min_images": 0}])
def test_counts_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        SplitSpec(**wrong)  # type: ignore[arg-type]


def _twins() -> tuple[Any, dict[str, SplitSpec]]:
    """Six persons, two of whom, in different splits, share one picture."""
    dataset, specs = faces([3] * 6), {"public": SplitSpec(3), "victims": SplitSpec(3)}
    splits = make_splits(dataset, specs, 0)
    a, b = (int(splits.loc[splits["split"] == name, "row"].iloc[0]) for name in specs)
    dataset.table.loc[b, "sha"] = dataset.table.loc[a, "sha"]
    return dataset, specs


def test_one_picture_under_two_names_in_two_splits_is_refused() -> None:
    dataset, specs = _twins()
    with pytest.raises(DataError, match=r"1 pictures stand in several splits.*on_duplicate = 'drop'"):
        make_splits(dataset, specs, 0)


def test_or_dropped_from_both() -> None:
    dataset, specs = _twins()
    dropped = make_splits(dataset, specs, 0, "drop")
    assert len(dropped) == 16
    check_disjoint(dropped)


def test_dropping_must_not_empty_a_split() -> None:
    dataset = faces([1, 1])
    dataset.table["sha"] = "same"
    with pytest.raises(DataError, match="left nothing of split 'public'"):
        make_splits(dataset, {"public": SplitSpec(1), "victims": SplitSpec(1)}, 0, "drop")


def test_check_disjoint_names_the_persons() -> None:
    splits = make_splits(faces([2] * 4), {"public": SplitSpec(2), "victims": SplitSpec(2)}, 0)
    splits.loc[splits["split"] == "victims", "identity"] = splits["identity"].iloc[0]
    with pytest.raises(DataError, match=rf"1 identities stand in several splits \({splits['identity'].iloc[0]}\)"):
        check_disjoint(splits)


def test_the_saved_file_is_hashed_and_the_face_set_reads_its_rows(tmp_path: Any) -> None:
    dataset = faces([2] * 4)
    dataset.images = lambda index: torch.as_tensor(np.asarray(index))
    splits = make_splits(dataset, {"public": SplitSpec(2), "victims": SplitSpec(2)}, 0)
    assert save_splits(splits, tmp_path / "a.csv") == save_splits(splits, tmp_path / "b.csv")
    assert pd.read_csv(tmp_path / "a.csv")["row"].tolist() == splits["row"].tolist()
    chosen = face_set(dataset, splits, "victims")
    rows = splits.loc[splits["split"] == "victims", "row"].tolist()
    assert chosen.images(torch.tensor([2, 0])).tolist() == [rows[2], rows[0]]
