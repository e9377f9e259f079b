"""Attributes of real faces from a CSV: its first column names the picture or the person, each other one is an
attribute whose distinct entries are its classes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from ..bench.core.attributes import Attributes
from ..bench.core.errors import DataError
from ..bench.core.paths import expand

KEYS = ("sample", "file", "identity")  # what rows may be named by; a file is a sample
MOST_CLASSES = 20  # more distinct entries are a measurement, not a class


def read_labels(path: str, table: pd.DataFrame) -> Attributes:
    """The label file's entries for each row of ``table``.

    Args:
        path: CSV, ``${VARIABLES}`` allowed. Rows that the set does not have are left alone.
        table: the wanted rows, with columns ``sample`` and ``identity``.

    Returns:
        Classes are sorted by name over the whole file, so that every split numbers them alike.

    Raises:
        DataError: no such file or not a CSV, a first column that names neither picture nor person, no attribute, a name
            twice, an empty entry, too many classes, or a row that is missing.
    """
    file = Path(expand(path))
    labels = _read(file)
    key = "identity" if labels.index.name == "identity" else "sample"
    absent = sorted(set(table[key]) - set(labels.index))
    if absent:
        raise DataError(
            f"{file}: {len(absent)} of {table[key].nunique()} {key} names of the set have no row (first: "
            f"{absent[0]!r}); add them, or take only labelled ones into the splits."
        )
    wanted = labels.loc[table[key]]
    classes = {str(name): tuple(sorted(labels[name].unique())) for name in labels.columns}
    numbers = {
        name: torch.tensor(pd.Categorical(wanted[name], categories=list(known)).codes.astype("int64"))
        for name, known in classes.items()
    }
    return Attributes(classes, numbers)


def _read(file: Path) -> pd.DataFrame:
    """All rows as text, indexed by the first column."""
    if not file.is_file():
        raise DataError(f"{file} does not exist; set dataset.settings.labels to a CSV, or leave it out.")
    try:
        labels = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is not a CSV ({error}).") from error
    first, *names = labels.columns
    if first not in KEYS:
        raise DataError(f"{file}: the first column must be one of {', '.join(KEYS)}, got {first!r}.")
    if not names:
        raise DataError(f"{file} has no column beside {first!r}; give each attribute one.")
    twice = labels[first][labels[first].duplicated()]
    if len(twice):
        raise DataError(f"{file}: {twice.iloc[0]!r} has several rows; give each {first} one.")
    for name in names:
        if (labels[name] == "").any():
            where = labels.loc[labels[name] == "", first].iloc[0]
            raise DataError(f"{file}: {where!r} has no entry for {name!r}; fill it in, or leave the column out.")
        if labels[name].nunique() > MOST_CLASSES:
            raise DataError(
                f"{file}: {name!r} has {labels[name].nunique()} distinct entries, more than {MOST_CLASSES} classes; "
                "sort a measurement into bins, or leave the column out."
            )
    return labels.set_index(first)
