"""The further people of a gallery: one picture each, nobody of whom is a victim or a calibration person."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ...datasets.base import FaceDataset
from ...datasets.splits import face_set, person_of
from ..core.errors import DataError
from ..core.faces import FaceSet
from ..core.seeding import stable_hash
from .overlap import Alike, Likeness

CROWD = "gallery"  # as a split is called
_APART = ("victims", "calibration")  # searches of these people must not find a second entry of theirs


def crowd_of(
    dataset: FaceDataset, splits: pd.DataFrame, seed: int, count: int, others: Sequence[FaceSet] = (),
    likeness: Likeness | None = None,
) -> tuple[FaceSet, list[Alike]]:  # fmt: skip
    """(count people) in the order of a hash, so that no beginning of them is favoured; and who was found alike.

    Args:
        dataset: whose people they are, a picture each.
        splits: the table of the splits: whose picture or name stands there among victims or calibration is left out.
        seed: of the order.
        count: how many are needed.
        others: victims and calibration, for ``likeness``.
        likeness: who measures whether people are alike; None: names and pictures alone are compared.

    Raises:
        DataError: fewer people are left, or somebody is alike where the track refuses that.
    """
    table = dataset.table.reset_index(names="row")
    known = splits[splits["split"].isin(_APART)]
    people = {person_of(name.split("/")[-1]) for name in known["identity"].unique()} - {""} if dataset.named else set()
    mine = table["identity"].map(lambda name: person_of(str(name)))
    free = table[~table["identity"].isin(table.loc[table["sha"].isin(known["sha"]), "identity"]) & ~mine.isin(people)]
    free = free.assign(order=[stable_hash(seed, "image", name) for name in free["sample"]])
    one = free.sort_values("order", kind="stable").groupby("identity", sort=False).head(1)
    one = one.assign(order=[stable_hash(seed, "identity", name) for name in one["identity"]], split=CROWD)
    one = one.sort_values("order", kind="stable").reset_index(drop=True)
    told: list[Alike] = []
    if likeness is not None:
        gone, told = likeness.compare(face_set(dataset, one, CROWD), others)
        one = one[~one["identity"].isin(gone)]
    if len(one) < count:
        raise DataError(
            f"gallery.distractors asks for {count} people, {len(one)} of {table['identity'].nunique()} of "
            f"{dataset.name!r} are no victims and no calibration people; lower `sizes`, or take a larger data set."
        )
    return face_set(dataset, one.head(count), CROWD), told
