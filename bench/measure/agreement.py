"""Do independent judges agree whom a recovery shows: by every two of them, at the headline FMR."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import ClassVar

import numpy as np

from ..core.registry import register_measurement
from ..metrics.agreement import agreement
from ..record.metrics import Metric
from ..record.results import Row
from ..record.words import AND
from .base import Kept, Measurement
from .case import Case
from .evidence import leak_scores
from .judges import Judge
from .rows import Rules, absent, measured, refused, row_of

_OTHER, _PER = "/other", frozenset({"judge", "fmr"})
_SHARE = Metric("judge_agreement", "fraction", "", "Share of decisions about a recovery and another photograph of "
                "the victim on which two independent judges agree.", per=_PER)  # fmt: skip
_KAPPA = Metric("judge_kappa", "1", "", "The same beyond what their rates alone give: Cohen's kappa, 1 where they "
                "always agree, 0 as by chance.", per=_PER)  # fmt: skip


@register_measurement("agreement")
class JudgeAgreement(Measurement):
    """Decisions are those behind SAR Type-II: every leak against every other photograph of its victim."""

    metrics: ClassVar = (_SHARE, _KAPPA)

    def skip(self, case: Case) -> str:
        return "" if len(_independent(case)) > 1 else "Fewer than two independent judges saw a picture."

    def observe(self, case: Case) -> Kept:
        """``owner`` (P,) of each comparison; by ``JUDGE/`` its scores ``other`` (P,), and ``threshold``, NaN where
        calibration gives none."""
        kept: Kept = {}
        for judge in _independent(case):
            found = leak_scores(case.leaked, case.similarity(judge, "victims"))
            kept["owner"] = found["owner"][found["leak"]]
            kept[judge.name + _OTHER] = found["other"]
            threshold = judge.thresholds[case.protocol.headline_fmr]
            kept[f"{judge.name}/threshold"] = np.array(threshold.value if threshold else np.nan)
        return kept

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        judges = [name.removesuffix(_OTHER) for name in kept if name.endswith(_OTHER)]
        for pair in combinations(judges, 2):
            share, kappa = (row_of(m, judge=AND.join(pair), fmr=rules.protocol.headline_fmr) for m in self.metrics)
            levels = [float(kept[f"{judge}/threshold"]) for judge in pair]
            if np.isnan(levels).any():
                yield from (refused(row) for row in (share, kappa))
                continue
            one, two = (kept[judge + _OTHER] > level for judge, level in zip(pair, levels, strict=True))
            weights = rules.weights(len(np.unique(kept["owner"])))
            found = agreement(one, two, kept["owner"], weights, rules.protocol.level)
            yield measured(_SHARE, share, found.share)
            if found.kappa is None:
                yield absent(kappa, "Both judges decide alike about everything, which says nothing of either.")
            else:
                yield measured(_KAPPA, kappa, found.kappa)


def _independent(case: Case) -> list[Judge]:
    return [judge for judge in case.judges if judge.pixels and judge.alias != case.alias]
