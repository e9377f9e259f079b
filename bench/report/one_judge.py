"""The matrix under one judge, with those attacks beside it that draw no picture for a judge to look at."""

from __future__ import annotations

import pandas as pd

OWN_SPACE = " †"  # behind the name of an attack that is scored in the space that its embeddings live in
_KINDS = ("independent", "target", "other")


def under_one_judge(matrix: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Rows of one data set, recognizer and surface -> those of the best judge there is, and its name; empty if nobody.

    An attack that this judge never gives a number, because it says who somebody is without drawing, stands with its
    numbers from its own space, marked: it may be the strongest of all.

    Args:
        matrix: rows of the long matrix.
    """
    scored = set(matrix.loc[matrix["sar2"].notna(), "judge_kind"])
    kind = next((kind for kind in _KINDS if kind in (scored or set(matrix["judge_kind"]))), "")
    if not kind:
        return matrix, ""
    shown = matrix[matrix["judge_kind"] == kind]
    judge = str((shown[shown["sar2"].notna()] if scored else shown)["judge"].iloc[0])
    shown = shown[shown["judge"] == judge]
    drawn = set(shown.loc[shown["sar2"].notna(), "attack"])
    own = matrix[~matrix["attack"].isin(drawn) & (matrix["judge"] != judge)]
    parts = [shown[~shown["attack"].isin(set(own.loc[own["sar2"].notna(), "attack"]))]]
    for _, rows in own.groupby("attack", sort=False):
        judges = rows.loc[rows["sar2"].notna(), ["judge_kind", "judge"]]
        if len(judges):  # the adversary's own space before the attacked recognizer's, where both have numbers
            of_kind = judges.assign(rank=judges["judge_kind"].map({"other": 0, "target": 1}).fillna(2))
            best = str(of_kind.sort_values("rank", kind="stable")["judge"].iloc[0])
            found = rows[rows["judge"] == best]
            parts.append(found.assign(attack=found["attack"] + OWN_SPACE))
    return pd.concat(parts, ignore_index=True), judge
