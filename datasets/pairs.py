"""Lists of verification pairs, as LFW's View 1 and View 2 and its many descendants write them.

Lines are ``name i j`` (genuine) and ``name i name j`` (impostor), parted by tabs, commas or blanks, where picture ``i``
is ``name/name_000i``; or two pictures and whether they show one person (1; 0 or -1). A first line ``folds pairs`` is
View 2, a single number View 1, words are a CSV's heading.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from ..bench.core.errors import DataError
from .text import number, read_text

FOLDS = 10  # of a list that has none
LONGEST = 500  # characters of a line; names are shorter, and what parts them by blanks takes time on long ones
_GENUINE = re.compile(r"^(.+?)\s+(\d{1,18})\s+(\d{1,18})$")
_IMPOSTOR = re.compile(r"^(.+?)\s+(\d{1,18})\s+(.+?)\s+(\d{1,18})$")
_SAME = {"1": True, "0": False, "-1": False, "true": True, "false": False}


def read_pairs(file: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Columns ``a``, ``b`` (sample names), ``same`` and ``fold``; ten folds in the list's order where it has none.

    Raises:
        DataError: a line does not parse, or names a picture that the set does not have, or lines are missing.
    """
    lines = [line.strip() for line in read_text(file).splitlines()]
    first, rest = (lines[0], [line for line in lines[1:] if line]) if lines else ("", [])
    expected, per_fold, body = _heading(file, first, rest)
    pictures = _Pictures(table["sample"])
    rows = []
    for count, line in enumerate(body):
        place = f"{file}, pair {count + 1}"
        one, two, same = _pair(line, place)
        rows.append((pictures.find(one, place), pictures.find(two, place), same))
    if expected and len(rows) != expected:
        raise DataError(f"{file} holds {len(rows)} pairs, the first line says {expected}; get it whole.")
    pairs = pd.DataFrame(rows, columns=["a", "b", "same"])
    return pairs.assign(fold=list(_folds([same for *_, same in rows], per_fold)))


def _heading(file: Path, first: str, rest: list[str]) -> tuple[int, int, list[str]]:
    """How many pairs the list says it has, how many of a fold are of one kind (0 where it does not say), its lines."""
    fields = [field for field in re.split(r"[\s,;]+", first) if field]
    numbers = [value for value in map(number, fields) if value]
    if len(numbers) == len(fields) in (1, 2):
        folds, per_fold = numbers if len(numbers) == 2 else (1, numbers[0])
        return 2 * folds * per_fold, per_fold if len(numbers) == 2 else 0, rest
    if rest and ("," in first or ";" in first) and not any(map(number, fields)):  # a CSV's heading
        return 0, 0, rest
    if rest and len(first) <= LONGEST and _labelled(_fields(first)):
        return 0, 0, [first, *rest]
    raise DataError(f"{file}: the first line must be 'folds pairs_per_fold', got {first[:80]!r}.")


def _folds(same: Sequence[bool], per_fold: int) -> Iterator[int]:
    """View 2: in the order of the list. Else ten folds, genuine and impostor pairs each cut in their order."""
    seen = {True: 0, False: 0}
    total = {kind: sum(one is kind for one in same) for kind in seen}
    for count, kind in enumerate(same):
        yield count // (2 * per_fold) if per_fold else seen[kind] * FOLDS // total[kind]
        seen[kind] += 1


def _fields(line: str) -> list[str]:
    """Parted by the strongest mark that stands in the line, so that names may hold blanks."""
    for mark in ("\t", ";", ","):
        if mark in line:
            found = [field.strip() for field in next(csv.reader([line], delimiter=mark))]
            return found[:-1] if found and not found[-1] else found  # Kaggle's heading ends in a comma
    return line.split()


def _labelled(fields: Sequence[str]) -> bool:
    """Whether a line is two pictures and a word on whether they are one person's."""
    return len(fields) == 3 and fields[2].lower() in _SAME and number(fields[1]) is None


@dataclass(frozen=True)
class _Picture:
    """As a line names one: ``person`` and ``count``, or its path."""

    person: str
    count: int = 0

    @property
    def stem(self) -> str:
        if self.count < 0:
            return _without_suffix(self.person.replace("\\", "/")).as_posix()
        return f"{self.person}/{self.person}_{self.count:04d}"


def _without_suffix(name: str) -> PurePosixPath:
    """``a/b`` of ``a/b.png``; ``..`` and nothing have no suffix to lose."""
    path = PurePosixPath(name)
    return path.with_suffix("") if path.suffix else path


def _pair(line: str, place: str) -> tuple[_Picture, _Picture, bool]:
    if len(line) > LONGEST:
        raise DataError(f"{place}: the line has {len(line)} characters, a pair at most {LONGEST}: {line[:60]!r}...")
    fields = _fields(line)
    if _labelled(fields):
        return _Picture(fields[0], -1), _Picture(fields[1], -1), _SAME[fields[2].lower()]
    if len(fields) > 4:  # parted by blanks, in names too
        matched = _IMPOSTOR.match(line) or _GENUINE.match(line)
        fields = list(matched.groups()) if matched else fields
    elif len(fields) == 4 and number(fields[1]) is None and (matched := _GENUINE.match(line)):
        fields = list(matched.groups())
    if len(fields) not in (3, 4):
        raise DataError(f"{place}: expected 3 or 4 fields, got {line[:120]!r}.")
    counts = (fields[1], fields[-1])
    for count in counts:
        if number(count) is None:
            raise DataError(f"{place}: {count!r} is not a picture's number in {line[:120]!r}.")
    people = (fields[0], fields[0] if len(fields) == 3 else fields[2])
    one, two = (_Picture(person, int(count)) for person, count in zip(people, counts, strict=True))
    return one, two, len(fields) == 3


class _Pictures:
    """Finds pictures of the set by what a list calls them: by the whole path, else by its last two parts."""

    def __init__(self, samples: pd.Series) -> None:
        self._exact: dict[str, str] = {}
        self._tails: dict[str, list[str]] = {}
        self._first = str(samples.iloc[0]) if len(samples) else "none"
        for sample in samples:
            stem = _without_suffix(unicodedata.normalize("NFC", sample))
            other = self._exact.setdefault(stem.as_posix(), sample)
            if other != sample:
                self._exact[stem.as_posix()] = ""  # two pictures of one name
            self._tails.setdefault("/".join(stem.parts[-2:]), []).append(sample)

    def find(self, wanted: _Picture, place: str) -> str:
        """The sample's name.

        Raises:
            DataError: none, or several.
        """
        stem = wanted.stem
        if self._exact.get(stem):
            return self._exact[stem]
        tails = self._tails.get("/".join(PurePosixPath(stem).parts[-2:]), [])
        if len(tails) == 1:
            return tails[0]
        if tails or stem in self._exact:
            raise DataError(f"{place}: several pictures of the set are called {stem}; keep one of them.")
        raise DataError(f"{place}: the set has no picture {stem}; its pictures are called like {self._first}.")
