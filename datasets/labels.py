"""Attributes of real faces from a CSV: its first column names the picture or the person, each other one is an
attribute whose distinct entries are its classes."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import pandas as pd
import torch

from ..bench.core.attributes import Attributes
from ..bench.core.errors import DataError
from ..bench.core.paths import expand
from .text import read_text

KEYS = ("sample", "file", "identity")  # what rows may be named by; a file is a sample
# What programs write where nothing is known: classes of their own would be attacked as if they were a trait.
_UNKNOWN = frozenset({"", "nan", "-nan", "na", "n/a", "#n/a", "<na>", "nat", "null", "?"})
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
    table = table.assign(**{key: table[key].map(lambda name: unicodedata.normalize("NFC", name))})
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
    text = read_text(file)
    heading = text.split("\n", 1)[0]
    mark = next((one for one in (",", ";", "\t") if one in heading), ",")
    try:
        labels = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, sep=mark, index_col=False)
    except (ValueError, csv.Error, pd.errors.ParserWarning) as error:
        raise DataError(f"{file} is not a CSV ({error}).") from error
    labels.columns = labels.columns.str.strip()
    labels = labels.apply(lambda column: column.str.strip())
    first, *names = labels.columns
    if first not in KEYS:
        raise DataError(f"{file}: the first column must be one of {', '.join(KEYS)}, got {first!r}.")
    if not names:
        raise DataError(f"{file} has no column beside {first!r}; give each attribute one.")
    if first != "identity":
        labels[first] = labels[first].str.replace("\\", "/")  # as a program on Windows names files
    twice = labels[first][labels[first].duplicated()]
    if len(twice):
        raise DataError(f"{file}: {twice.iloc[0]!r} has several rows; give each {first} one.")
    for name in names:
        labels[name] = _one_spelling(labels[name])
        unknown = labels[name].str.lower().isin(_UNKNOWN)
        if unknown.any():
            where, word = labels.loc[unknown, [first, name]].iloc[0]
            seen = f" but {word!r}" if word else ""
            raise DataError(f"{file}: {where!r} has no entry for {name!r}{seen}; fill it in, or leave the column out.")
        if labels[name].nunique() > MOST_CLASSES:
            raise DataError(
                f"{file}: {name!r} has {labels[name].nunique()} distinct entries, more than {MOST_CLASSES} classes; "
                "sort a measurement into bins, or leave the column out."
            )
    return labels.set_index(first)


def _one_spelling(column: pd.Series) -> pd.Series:
    """``1.0``, which spreadsheets and pandas make of 1 where an entry was missing, is 1."""
    return column.str.replace(r"^([+-]?\d+)\.0+$", r"\1", regex=True)
