"""LFW's photographs -> the aligned pack that dataset ``lfw`` reads: two zips, a table and the official pairs.

Each face is found by YuNet, the one nearest to the middle of its photograph, because LFW's photographs were cut around
the person that they show; its five points, seen once more by the landmark model, bring it to ArcFace's template. Where
no face is found a fixed crop of the middle stands in, ``padded`` in the table. One way for all, so that everybody's
pack is the same.
"""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ...datasets.alignment import SIDE, TEMPLATE, Array, Finder, align
from ...datasets.files import Found, pictures_in
from ...datasets.pairs import read_pairs
from ...datasets.pictures import LeftOut, open_picture
from ..core.errors import DataError, InputError
from ..core.progress import Progress
from ..store.durable import write_whole

ZIPS = ("lfw112_core.zip", "lfw112_rest.zip")
TABLE, PAIRS = "lfw112.csv", "lfw_pairs.txt"
FOUND, PADDED = "yunet", "padded"  # where a crop comes from
_QUALITY = 92  # of the JPEGs
_SHARE, _LOWER = 0.545, -0.024  # side of the crop where no face is found, and its middle above the photograph's
_LOST = 0.5  # share of photographs without a face from which on something is wrong with the detector


@dataclass(frozen=True)
class Origin:
    """What the pack is made of.

    Args:
        photographs: folder of ``Name/Name_0001.jpg``.
        pairs: the official list, View 2.
    """

    photographs: Path
    pairs: Path


def make_faces(origin: Origin, finder: Finder, folder: Path, progress: Progress) -> int:
    """Align all photographs into ``folder``; goes on where an earlier call was stopped.

    Args:
        origin: photographs and pairs.
        finder: finds the five points, or says why not.
        folder: of the two zips, the table and the pairs; written last and each in one step.
        progress: where it is shown.

    Returns:
        How many crops are padded.

    Raises:
        DataError: a photograph cannot be read, or pairs that name another set.
        InputError: no face in half of the photographs.
    """
    pictures, _ = pictures_in(origin.photographs)
    if not pictures:
        raise DataError(f"{origin.photographs} holds no picture; remove the folder and give the command again.")
    table = _table(pictures, origin.pairs)
    work = folder / ".aligned"
    sources: list[str] = []
    for picture in progress.track(pictures, len(pictures), "aligning faces"):
        sources.append(_aligned(picture, finder, work))
    lost = sources.count(PADDED)
    if lost > _LOST * len(pictures):
        raise InputError(f"In {lost} of {len(pictures)} photographs no face was found; look at the detector's file.")
    table["crop_source"] = sources
    for name, part in zip(ZIPS, (table[table["in_core"] == 1], table[table["in_core"] == 0]), strict=True):
        write_whole(folder / name, lambda file, part=part: _pack(file, part, work))  # type: ignore[misc]
    write_whole(folder / PAIRS, lambda file: file.write_bytes(origin.pairs.read_bytes()))
    write_whole(folder / TABLE, lambda file: table.to_csv(file, index=False, lineterminator="\n"))
    shutil.rmtree(work)
    return lost


def _table(pictures: Iterable[Found], pairs: Path) -> pd.DataFrame:
    """``file``, ``identity``, ``identity_fold`` (-1: in no pair) and ``in_core`` (1: in a pair) of each picture."""
    names = pd.Series([one.name for one in pictures], dtype=object)
    told = read_pairs(pairs, pd.DataFrame({"sample": names}))
    sides = pd.DataFrame({"file": [*told["a"], *told["b"]], "fold": [*told["fold"], *told["fold"]]})
    sides["identity"] = sides["file"].map(_person)
    folds = sides.groupby("identity")["fold"].agg(["min", "max"])
    mixed = folds.index[folds["min"] != folds["max"]]
    if len(mixed):
        raise DataError(f"{pairs} names {mixed[0]} in several folds; LFW's ten share nobody: get the list anew.")
    people = names.map(_person)
    fold = people.map(folds["min"]).fillna(-1).astype(int)
    core = names.isin(set(sides["file"])).astype(int)
    return pd.DataFrame({"file": names, "identity": people, "identity_fold": fold, "in_core": core})


def _person(name: str) -> str:
    return name.split("/")[0]


def _aligned(picture: Found, finder: Finder, work: Path) -> str:
    """Write the crop below ``work``, unless it is there, and say where it comes from."""
    for source in (FOUND, PADDED):
        if (work / source / picture.name).is_file():
            return source
    data = picture.read(None)
    opened = data if isinstance(data, str) else open_picture(data)
    if isinstance(opened, str):
        raise DataError(
            f"{picture.source / picture.file} cannot be read ({opened}); remove the folder and fetch again."
        )
    points = finder(opened)
    source = PADDED if isinstance(points, LeftOut) else FOUND
    face = align(opened, _central(opened.size) if isinstance(points, LeftOut) else points, SIDE)
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(face.transpose(1, 2, 0))).save(encoded, "JPEG", quality=_QUALITY)
    (work / source / picture.name).parent.mkdir(parents=True, exist_ok=True)
    write_whole(work / source / picture.name, lambda file: file.write_bytes(encoded.getvalue()), forced=False)
    return source


def _central(size: tuple[int, int]) -> Array:
    """(5, 2) points that cut the fixed crop out of the middle of a photograph of (width, height)."""
    side = min(size)
    middle = np.array([size[0] / 2, size[1] / 2 + _LOWER * side])
    return (TEMPLATE + 0.5 - SIDE / 2) * (_SHARE * side / SIDE) + middle - 0.5


def _pack(file: Path, part: pd.DataFrame, work: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, source in zip(part["file"], part["crop_source"], strict=True):
            archive.writestr(zipfile.ZipInfo(name), (work / source / name).read_bytes())
