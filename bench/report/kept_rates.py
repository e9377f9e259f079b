"""What each attack reached of each victim, from the scores that its cells kept: what comparisons are made of."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..metrics.calibration import Calibration
from ..metrics.hierarchical import drawn_shares, shares_above
from ..metrics.intervals import resample_weights
from ..record.results import SCORES
from .load import CellFile

_SPLIT = "victims"


@dataclass(frozen=True, eq=False)
class Rates:
    """SAR Type-II by victim at one false match rate, under one judge.

    Args:
        people: (I,) names, sorted.
        own: (I,) rates at the threshold.
        shares: (I, K) rates at other thresholds that other calibration people could have given.
        which: (B,) which of them each draw has.
    """

    people: tuple[str, ...]
    own: np.ndarray
    shares: np.ndarray
    which: np.ndarray

    def of(self, people: tuple[str, ...]) -> np.ndarray:
        """(I',) rates of these people."""
        return self.own if people == self.people else self.own[_places(self.people, people)]

    def among(self, people: tuple[str, ...], every: tuple[str, ...]) -> np.ndarray:
        """(U,) rates of some of U people, 0 of the others, scaled so that the mean is that of these."""
        if people == every:
            return self.of(people)
        found = np.zeros(len(every))
        found[_places(every, people)] = self.of(people) * (len(every) / len(people))
        return found

    def draws(self, people: tuple[str, ...], every: tuple[str, ...]) -> np.ndarray:
        """(B,) draws of the mean over some of U people, victims and threshold drawn anew; the same draws of the U for
        everybody."""
        shares = self.shares if people == self.people else self.shares[_places(self.people, people)]
        weights = drawn_people(len(every), len(self.which))
        if people != every:
            weights = weights[:, _places(every, people)]
        sums = (weights @ shares)[np.arange(len(weights)), self.which]
        return np.asarray(sums / np.maximum(weights.sum(axis=1), 1))


def _places(names: tuple[str, ...], wanted: tuple[str, ...]) -> list[int]:
    place = {name: i for i, name in enumerate(names)}
    return [place[name] for name in wanted]


@lru_cache(maxsize=8)
def drawn_people(n: int, resamples: int, *, calibration: bool = False) -> np.ndarray:
    """(B, n) multiplicities of n people, the same for all comparisons."""
    return np.concatenate(list(resample_weights(n, int(calibration), resamples)))


def read_rates(cell: CellFile, fmr: float, resamples: int, problems: list[str]) -> dict[str, Rates]:
    """By judge; nothing where the cell kept no scores, or none at ``fmr``.

    Args:
        cell: of a run.
        fmr: the headline false match rate.
        resamples: of the bootstrap.
        problems: gets a sentence where the file cannot be read.
    """
    file = cell.path / SCORES
    if not file.is_file():
        return {}
    try:
        with np.load(file, allow_pickle=False) as archive:
            return dict(_rates(dict(archive), fmr, resamples))
    except KeyError:  # of a version that kept less
        return {}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        problems.append(f"cells/{cell.path.name}/{SCORES} cannot be read ({error}).")
        return {}


def _rates(kept: dict[str, np.ndarray], fmr: float, resamples: int) -> Iterator[tuple[str, Rates]]:
    people = kept[f"leaks/{_SPLIT}/identity"]
    for judge in (name.removesuffix("/tail") for name in kept if name.endswith("/tail")):
        own = {name.removeprefix(f"{judge}/"): part for name, part in kept.items() if name.startswith(f"{judge}/")}
        known = Calibration.of(own)
        threshold = known.threshold(fmr)
        if threshold is None or f"{_SPLIT}/leak" not in own:
            continue
        scores, owner = own[f"{_SPLIT}/other"], people[own[f"{_SPLIT}/leak"]]
        drawn = known.thresholds(fmr, drawn_people(len(known.compared), resamples, calibration=True))
        names, rates = shares_above(scores, owner, threshold.value)
        shares, which = drawn_shares(scores, owner, drawn)
        yield judge, Rates(tuple(map(str, names)), rates[:, 0], shares, which)


def shared(parts: Iterable[Rates]) -> tuple[str, ...]:
    """People whom all of them have."""
    sets = [set(part.people) for part in parts]
    return tuple(sorted(set.intersection(*sets))) if sets else ()
