"""Splits that share no identity and no picture: train / public / calibration / victims, of one data set or several."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ..bench.core.code import code_of
from ..bench.core.errors import DataError, InputError
from ..bench.core.faces import FaceSet
from ..bench.core.seeding import stable_hash
from ..bench.core.spreadsheet import defused
from .base import FaceDataset

SPLITS = ("train", "public", "calibration", "victims")
COLUMNS = ("row", "sample", "identity", "group", "split", "sha")


@dataclass(frozen=True)
class SplitSpec:
    """One split.

    Args:
        identities: how many identities; 0 = all that are left (or all of the groups).
        groups: take only identities of these groups (folds); empty = any.
        images: cap of images per identity.
        min_images: identities with fewer are not taken.
        max_images: stop when the split holds so many images; 0 = no limit.
        dataset: name of the data set that it is taken from; empty = the track's own.
    """

    identities: int = 0
    groups: tuple[str, ...] = ()
    images: int = 20
    min_images: int = 1
    max_images: int = 0
    dataset: str = ""

    def __post_init__(self) -> None:
        for name, least in (("identities", 0), ("images", 1), ("min_images", 1), ("max_images", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} = {getattr(self, name)}: a split needs at least {least}.")


def make_splits(
    dataset: FaceDataset,
    specs: dict[str, SplitSpec],
    seed: int,
    on_duplicate: Literal["refuse", "drop"] = "refuse",
    others: Mapping[str, FaceDataset] | None = None,
) -> pd.DataFrame:
    """The table's rows that are used, with their ``split`` and ``row`` (position in the data set).

    Identities are taken in the order of a hash of (seed, name), images of an identity likewise, so that the split does
    not depend on the order of files and no prefix of names is favoured.

    Args:
        dataset: what splits are taken from.
        specs: by name, in the order in which identities are taken.
        seed: of the order.
        on_duplicate: what is done about a picture, or the name of a person, that stands in two splits.
        others: further data sets, by the names that specs call them: their people and pictures carry that name in
            front, and a column ``dataset`` says whose each row is.

    Raises:
        DataError: too few identities, or one picture or one person's name stands in two splits (unless dropped).
    """
    sets = {"": dataset, **(others or {})}
    tables = {name: _ordered(sets[name], name, seed) for name in {spec.dataset for spec in specs.values()}}
    taken: set[str] = set()
    parts = []
    for name, spec in specs.items():
        part = _take(tables[spec.dataset], name, spec, seed, taken, sets[spec.dataset].name)
        taken |= set(part["identity"])
        parts.append(part.assign(split=name))
    splits = pd.concat(parts, ignore_index=True)
    if on_duplicate == "drop":
        splits = splits[~(_across_splits(splits) | namesakes(splits))].reset_index(drop=True)
        for name, spec in specs.items():
            if not (splits["split"] == name).any():
                raise DataError(
                    f"{sets[spec.dataset].name}: dropping shared pictures left nothing of split {name!r}; remove the "
                    "copies."
                )
    check_disjoint(splits)
    return splits[[*COLUMNS, *(["dataset"] if others else [])]]


def _ordered(dataset: FaceDataset, alias: str, seed: int) -> pd.DataFrame:
    """A data set's table with what splits are made by; one that is not the track's own has its name in front of all."""
    table = dataset.table.reset_index(names="row")
    table["order"] = [stable_hash(seed, "image", name) for name in table["sample"]]
    named = getattr(dataset, "named", False)
    table["person"] = [person_of(identity) if named else "" for identity in table["identity"]]
    if alias:
        table[["sample", "identity"]] = f"{alias}/" + table[["sample", "identity"]]
    return table.assign(dataset=alias)


def person_of(identity: str) -> str:
    """A name as it is compared between data sets: letters alone, in lower case; nothing where it is a number."""
    text = unicodedata.normalize("NFKD", identity).casefold()
    return "".join(letter for letter in text if letter.isalnum()) if any(map(str.isalpha, text)) else ""


def namesakes(splits: pd.DataFrame) -> pd.Series:
    """Rows of people who stand by name in a split of another data set, too: all but those of the track's own set."""
    where = splits[splits["person"] != ""].groupby("person")["dataset"].nunique()
    return splits["person"].isin(where[where > 1].index) & (splits["dataset"] != "")


def _take(table: pd.DataFrame, name: str, spec: SplitSpec, seed: int, taken: set[str], dataset: str) -> pd.DataFrame:
    free = table[~table["identity"].isin(taken)]
    if spec.groups:
        free = free[free["group"].isin(spec.groups)]
    counts = free.groupby("identity").size()
    able = sorted(counts[counts >= spec.min_images].index, key=lambda identity: stable_hash(seed, "identity", identity))
    wanted = spec.identities or len(able)
    if len(able) < max(1, wanted):
        raise DataError(
            f"{dataset}: split {name!r} asks for {wanted} identities with at least {spec.min_images} images"
            f"{' in groups ' + ', '.join(spec.groups) if spec.groups else ''}, {len(able)} are left; lower "
            "`identities` or `min_images`, or widen the groups."
        )
    rank = {identity: position for position, identity in enumerate(able[:wanted])}
    part = free[free["identity"].isin(rank)]
    part = part.assign(rank=part["identity"].map(rank)).sort_values(["rank", "order"], kind="stable")
    part = part.groupby("identity", sort=False).head(spec.images)
    return part.head(spec.max_images) if spec.max_images else part


def _across_splits(splits: pd.DataFrame) -> pd.Series:
    """Rows whose picture also stands in another split."""
    return splits.groupby("sha")["split"].transform("nunique") > 1


def check_disjoint(splits: pd.DataFrame) -> None:
    """Refuse overlaps of identities, of people's names or of pictures between splits.

    Raises:
        DataError: names the first offenders.
    """
    shared = splits.groupby("identity")["split"].nunique()
    if (shared > 1).any():
        names = ", ".join(map(str, shared[shared > 1].index[:3]))
        raise DataError(
            f"{int((shared > 1).sum())} identities stand in several splits ({names}); splits must be disjoint."
        )
    if "person" in splits and len(alike := splits[namesakes(splits)]):
        raise DataError(
            f"{alike['person'].nunique()} people stand by name in several data sets (first: "
            f"{alike['identity'].iloc[0]}); leave them out of one, or set splits.on_duplicate = 'drop' to "
            "leave them out of the other set."
        )
    twice = splits[_across_splits(splits)]
    if len(twice):
        pair = twice.sort_values("sha")["sample"].head(2).tolist()
        raise DataError(
            f"{twice['sha'].nunique()} pictures stand in several splits under different names (first: "
            f"{' and '.join(pair)}); remove them, or set splits.on_duplicate = 'drop' to leave them out everywhere."
        )


def save_splits(splits: pd.DataFrame, file: Path) -> str:
    """Write the splits; returns the sha256 of the file's content."""
    text = splits.map(defused).to_csv(index=False, lineterminator="\n")
    file.write_text(text, encoding="utf-8", newline="\n")
    return hashlib.sha256(text.encode()).hexdigest()


def face_set(dataset: FaceDataset, splits: pd.DataFrame, name: str) -> FaceSet:
    """The images of one split."""
    part = splits[splits["split"] == name]
    rows = part["row"].to_numpy(dtype=np.int64)
    return FaceSet(
        name,
        part["sample"].tolist(),
        part["identity"].tolist(),
        lambda index: dataset.images(rows[index]),
        _identity(dataset, part),
        lambda: dataset.attributes(rows),
        lambda index: dataset.anatomy(rows[index]),
    )


def _identity(dataset: FaceDataset, part: pd.DataFrame) -> str:
    """Hash of a set's names, people and pixels, of what else is known of them, and of the code that hands them out."""
    text = "\n".join(part["sample"] + "\t" + part["identity"] + "\t" + part["sha"])
    known = json.dumps([dataset.knows(), code_of(type(dataset), FaceSet)], sort_keys=True, default=str)
    return hashlib.sha256(f"{text}\n{known}".encode()).hexdigest()[:24]
