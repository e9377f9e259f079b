"""How long a defence's own networks learnt, and whether that was long enough for a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from ..core.registry import register_measurement
from ..record.metrics import Metric
from ..record.results import Row
from . import flags
from .base import Flag, Kept, Measurement
from .case import Case
from .rows import Rules, counted, row_of

_EPOCHS = Metric("train_epochs", "epochs", "", "How often the least trained network of the defense saw its pictures.")
_FALLING = Metric("train_still_falling", "fraction", "lower", "The most that a loss of the defense still fell.")
EPOCHS, FALLING = "epochs/", "falling/"


@register_measurement("training")
class Training(Measurement):
    """Of what a fit trained, as its log was kept with it."""

    metrics: ClassVar = (_EPOCHS, _FALLING)
    looks_at: ClassVar[Literal["recovery", "system"]] = "system"

    def skip(self, case: Case) -> str:
        return "" if case.session.systems.trainings(case.system) else "Nothing of it was trained."

    def observe(self, case: Case) -> Kept:
        return learnt(case)

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        found = trainings_of(kept)
        yield counted(_EPOCHS, row_of(_EPOCHS), min(epochs for epochs, _ in found.values()))
        yield counted(_FALLING, row_of(_FALLING), max(falling for _, falling in found.values()))

    def flags(self, kept: Kept, rules: Rules) -> Iterator[Flag]:
        yield from flags.unfinished_flag(trainings_of(kept), rules.protocol.least_epochs)


def learnt(case: Case) -> Kept:
    """``epochs/PART`` and ``falling/PART`` of every network that the fit of the case's system trained."""
    kept: Kept = {}
    for what, log in case.session.systems.trainings(case.system).items():
        kept |= {f"{EPOCHS}{what}": np.array(log.epochs), f"{FALLING}{what}": np.array(log.still_falling)}
    return kept


def trainings_of(kept: Kept) -> dict[str, tuple[float, float]]:
    """By what was trained: epochs, and how much the loss still fell."""
    names = [name.removeprefix(EPOCHS) for name in kept if name.startswith(EPOCHS)]
    return {name: (float(kept[f"{EPOCHS}{name}"]), float(kept[f"{FALLING}{name}"])) for name in names}
