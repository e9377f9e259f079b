"""Ten-fold accuracy on further sets of pairs (`lfw.bin`, `cfp_fp.bin`, `agedb_30.bin`), as papers' tables give it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from ...defenses.base import Defense
from ..core.registry import register_measurement
from ..metrics.verification import tenfold_accuracy
from ..record.metrics import Metric
from ..record.results import Row
from .base import Kept, Measurement
from .case import Case
from .enrolment import compare_pairs, enrolled
from .evidence import below, under
from .rows import Rules, counted, folded, row_of

_ACCURACY = Metric("test_accuracy_{test}", "fraction", "higher", "Pairs of a set of the track's `[[tests]]` that the "
                   "system decides rightly, ten-fold.", heading="accuracy")  # fmt: skip
_DIFFERENCE = Metric("test_difference_{test}", "fraction", "higher", "That accuracy minus the undefended system's.",
                     heading="against undefended")  # fmt: skip
_SAME = "/same"


@register_measurement("pair-tests")
class PairTests(Measurement):
    """For each of the track's tests: all of its pairs in its ten folds, pictures with their mirror images or alone."""

    metrics: ClassVar = (_ACCURACY, _DIFFERENCE)
    looks_at: ClassVar[Literal["recovery", "system"]] = "system"

    def skip(self, case: Case) -> str:
        if case.protocol.measures != "verification":
            return "Published pictures are not there to verify people."
        return "" if case.session.pictures.tests else "The track has no tests."

    def observe(self, case: Case) -> Kept:
        """By ``TEST/``: ``same`` and ``fold`` of its pairs, their ``scores``, and ``plain`` ones undefended."""
        kept: Kept = {}
        for title in case.session.pictures.tests:
            pairs = case.session.pictures.test(title)[1]
            found = {"same": pairs.same, "fold": pairs.fold, "scores": self._scores(case, case.system, title)}
            if case.system.name != "none":
                found["plain"] = self._scores(case, case.session.undefended(case.alias), title)
            kept |= under(title, found)
        return kept

    def _scores(self, case: Case, defense: Defense, title: str) -> np.ndarray:
        faces, pairs = case.session.pictures.test(title)
        flip = case.session.pictures.tests[title].flip
        both = enrolled(case.session, case.alias, defense, faces.name, case.cell.seed, flip=flip)
        return compare_pairs(defense, both, pairs.first, pairs.second)

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        for title in [name.removesuffix(_SAME) for name in kept if name.endswith(_SAME)]:
            own = below(title, kept)
            folds = {
                name: tenfold_accuracy(own[name], own["same"], own["fold"]).per_fold
                for name in ("scores", "plain")
                if name in own
            }
            name = _ACCURACY.name.format(test=title)
            yield folded(_ACCURACY, row_of(_ACCURACY, name=name, split="test"), folds["scores"], len(own["same"]))
            if "plain" in folds:
                name = _DIFFERENCE.name.format(test=title)
                difference = float((folds["scores"] - folds["plain"]).mean())
                yield counted(_DIFFERENCE, row_of(_DIFFERENCE, name=name, split="test"), difference)
