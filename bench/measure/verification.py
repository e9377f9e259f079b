"""How well the defended system still verifies people: accuracy, EER, TAR, and what that lost against the undefended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from ...defenses.base import Defense
from ..core.registry import register_measurement
from ..core.seeding import Rng
from ..core.surfaces import Goal
from ..metrics.arrays import MetricInputError
from ..metrics.pairs import Pairs, make_pairs
from ..metrics.verification import eer, tenfold_accuracy
from ..record.metrics import Metric
from ..record.results import Row
from . import flags
from .base import Flag, Kept, Measurement
from .case import Case
from .enrolment import compare_pairs, genuine_pairs
from .evidence import calibrated, tail, thresholds
from .rows import Rules, absent, at_rates, counted, folded, row_of
from .training import learnt, trainings_of

_ACCURACY = Metric("accuracy", "fraction", "higher", "Face pairs that the system decides rightly, ten-fold.")
_DIFFERENCE = Metric("accuracy_undefended_difference", "fraction", "higher", "Accuracy minus that of the undefended "
                     "system.")  # fmt: skip
_EER = Metric("eer", "fraction", "lower", "Where false accepts and false rejects are equally common.")
_TAR = Metric("tar", "fraction", "higher", "Genuine attempts accepted at the system's own threshold.",
              per=frozenset({"fmr"}))  # fmt: skip


@register_measurement("verification")
class Verification(Measurement):
    """Ten-fold accuracy on the set's own pairs where it has them, EER and TAR of the victims."""

    metrics: ClassVar = (_ACCURACY, _DIFFERENCE, _EER, _TAR)
    looks_at: ClassVar[Literal["recovery", "system"]] = "system"

    def skip(self, case: Case) -> str:
        return "" if case.protocol.measures == "verification" else "Published pictures are not there to verify people."

    def observe(self, case: Case) -> Kept:
        """``tail`` of the defended system's own scores; ``pairs`` with ``pairs_same``, ``pairs_fold`` and
        ``pairs_split``, ``pairs_plain`` the undefended system's scores of the same pairs, or ``pairs_absent``, why
        there are none; ``genuine`` with ``genuine_owner`` and ``impostor`` of the victims; what the flags ask."""
        session, defense = case.session, case.system
        both = case.enrolled(defense, "victims")
        genuine = genuine_pairs(both.faces)
        reported = session.track.recognizers[case.alias].reported_accuracy
        known = defense.name == "none" and session.official_pairs() is not None
        kept = tail(*case.impostors(defense, "calibration"), case.protocol.fmrs) | {
            "genuine": compare_pairs(defense, both, *genuine), "genuine_owner": both.faces.labels.numpy()[genuine[0]],
            "impostor": case.impostors(defense, "victims")[0],
            "reported": np.array(np.nan if reported is None or not known else reported),
            "unreadable": np.array(len(session.dataset.corrupt)),
            # Users of a released data set never meet the deployed system.
            "deployed": np.array(defense.goal is not Goal.RELEASE_DATASET),
        }  # fmt: skip
        return kept | _pairs(case, defense) | learnt(case)

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        yield from _accuracy(kept)
        yield counted(_EER, row_of(_EER), eer(kept["genuine"], kept["impostor"]))
        drawn = Rules(rules.protocol, 0)  # the same resamples for every seed
        for one in at_rates(_TAR, kept["genuine"], kept["genuine_owner"], calibrated(kept), drawn):
            yield one | {"higher_is_better": True}

    def flags(self, kept: Kept, rules: Rules) -> Iterator[Flag]:
        own, plain = _folds(kept)
        reported = float(kept["reported"])
        if own is not None:
            yield from flags.answer_flag(float(own.mean()), None if np.isnan(reported) else reported)
        yield from flags.unreadable_flag(int(kept["unreadable"]))
        # One that is half trained has no verdict yet: that is F17, of `training`.
        unfinished = flags.unfinished_flag(trainings_of(kept), rules.protocol.least_epochs)
        if own is not None and plain is not None and kept["deployed"] and not unfinished:
            yield from flags.utility_flag(float(plain.mean() - own.mean()), rules.protocol.utility_loss)
        yield from flags.threshold_flags(
            ("the defended system", fmr, t.identity_pairs or 0)
            for fmr, t in thresholds(kept, rules.protocol.fmrs).items()
            if t is not None and t.warn
        )


def _accuracy(kept: Kept) -> Iterator[Row]:
    own, plain = _folds(kept)
    if own is None:
        yield absent(row_of(_ACCURACY), str(kept["pairs_absent"]))
        return
    row = row_of(_ACCURACY, split=str(kept["pairs_split"]))  # "pairs": the set's own, which hold other people too
    yield folded(_ACCURACY, row, own, len(kept["pairs"]))
    if plain is not None:
        yield counted(_DIFFERENCE, row_of(_DIFFERENCE), -(plain.mean() - own.mean()))


def _folds(kept: Kept) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(10,) accuracies of the defended and of the undefended system; None where there are no scores of it."""
    own, plain = (
        tenfold_accuracy(kept[name], kept["pairs_same"], kept["pairs_fold"]).per_fold if name in kept else None
        for name in ("pairs", "pairs_plain")
    )
    return own, plain


def _pairs(case: Case, defense: Defense) -> Kept:
    """Ten-fold pairs and their scores, or why there are none: a handful of victims does not fill ten folds."""
    try:
        split, pairs, scores = _paired(case, defense)
    except MetricInputError as error:
        return {"pairs_absent": np.array(f"Ten-fold accuracy: {error}.")}
    kept = {"pairs": scores, "pairs_same": pairs.same, "pairs_fold": pairs.fold, "pairs_split": np.array(split)}
    if defense.name != "none":
        kept["pairs_plain"] = _paired(case, case.session.undefended(case.alias))[2]
    return kept


def _paired(case: Case, defense: Defense) -> tuple[str, Pairs, np.ndarray]:
    """Split, pairs and their scores: the set's official pairs where it has them and nothing was trained on the set;
    else pairs of the victims."""
    official = case.session.official_pairs()
    if official is not None:
        faces, pairs = official
        both = case.enrolled(defense, faces.name)
    else:
        both = case.enrolled(defense, "victims")
        rng = Rng(case.cell.seed, "verification").numpy()
        pairs = make_pairs(both.faces.labels.numpy(), rng, case.protocol.verification_pairs)
    return both.faces.name, pairs, compare_pairs(defense, both, pairs.first, pairs.second)
