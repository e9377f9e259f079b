"""Splits of several data sets: nobody and no picture stands in two, by name or by hash, or a sentence says who does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from faceleak.bench.core.errors import DataError
from faceleak.datasets.splits import SplitSpec, make_splits, person_of

PUBLIC, VICTIMS = SplitSpec(dataset="more"), SplitSpec(4)


def faces(people: list[str], sha: str, named: bool = True) -> Any:
    rows = [
        {"sample": f"{who}/{k}", "identity": who, "group": "", "sha": f"{sha}{who}.{k}"}
        for who in people
        for k in (0, 1)
    ]
    return SimpleNamespace(name=f"set {sha}", knows=dict, named=named, table=pd.DataFrame(rows))


OWN = faces(["Ada_Lovelace", "Bo", "Cy", "Dee"], "a")


def test_each_split_is_of_its_set_and_says_so() -> None:
    more = faces(["1", "2", "3"], "b")
    splits = make_splits(OWN, {"public": PUBLIC, "victims": VICTIMS}, 0, "refuse", {"more": more})
    assert splits.groupby("split")["dataset"].unique().map(list).to_dict() == {"public": ["more"], "victims": [""]}
    public = splits[splits["split"] == "public"]
    assert set(public["identity"]) == {"more/1", "more/2", "more/3"}
    assert (more.table["sample"].iloc[public["row"]].to_numpy() == public["sample"].str[5:].to_numpy()).all()
    alone = make_splits(OWN, {"victims": VICTIMS}, 0)
    mine = splits[splits["split"] == "victims"].drop(columns="dataset").reset_index(drop=True)
    assert mine.equals(alone), "a second set does not move the first one's splits"


def test_namesakes_are_refused_or_left_out_of_the_other_set() -> None:
    more = {"more": faces(["ada lovelace", "Eve"], "b")}
    specs = {"public": PUBLIC, "victims": VICTIMS}
    with pytest.raises(DataError, match=r"1 people stand by name in several data sets \(first: more/ada lovelace\)"):
        make_splits(OWN, specs, 0, "refuse", more)
    left = make_splits(OWN, specs, 0, "drop", more)
    assert set(left["identity"]) == {"more/Eve", *OWN.table["identity"]}


def test_names_that_mean_nothing_elsewhere_are_not_compared() -> None:
    for more in (faces(["Bo"], "b", named=False), faces(["0017"], "b")):
        own = OWN if more.named is False else faces(["0017"], "a")
        count = SplitSpec(len(own.table) // 2)
        assert len(make_splits(own, {"public": PUBLIC, "victims": count}, 0, "refuse", {"more": more}))


def test_one_picture_in_two_sets_is_refused_or_dropped_on_both_sides() -> None:
    more = {"more": faces(["Xi", "Yo"], "b")}
    more["more"].table.loc[0, "sha"] = "aBo.1"
    specs = {"public": PUBLIC, "victims": VICTIMS}
    with pytest.raises(DataError, match="1 pictures stand in several splits"):
        make_splits(OWN, specs, 0, "refuse", more)
    left = make_splits(OWN, specs, 0, "drop", more)
    assert not {"Bo/1", "more/Xi/0"} & set(left["sample"])


def test_a_set_of_nothing_but_namesakes_leaves_nothing() -> None:
    with pytest.raises(DataError, match="left nothing of split 'public'"):
        make_splits(OWN, {"public": PUBLIC, "victims": VICTIMS}, 0, "drop", {"more": faces(["BO"], "b")})


def test_names_are_compared_by_their_letters() -> None:
    assert person_of("Ada_Lovelace") == person_of("ADA LOVELACE") == "adalovelace"
    assert person_of("00123") == ""
