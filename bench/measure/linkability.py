"""Unlinkability and renewability of keyed templates (ISO/IEC 24745, 30136)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from ...defenses.base import Defense
from ..core.registry import register_measurement
from ..core.seeding import Rng
from ..metrics.unlinkability import d_sys, maximal_linkability, permutation_null, renewability
from ..record.metrics import Metric
from ..record.results import Row
from .base import Kept, Measurement
from .case import Case
from .enrolment import Enrolled, compare_pairs, enrolled, genuine_pairs
from .evidence import calibrated, tail, thresholds
from .rows import Rules, counted, row_of

_LINKED = (
    (d_sys, Metric("d_sys", "1", "", "How far templates under different keys can be linked, 0 to 1."),
     Metric("d_sys_null", "1", "", "The same with shuffled labels: what finite numbers of scores give.")),
    (maximal_linkability, Metric("max_linkability", "1", "", "What a template under another key tells, in bit."),
     Metric("max_linkability_null", "1", "", "The same with shuffled labels.")),
)  # fmt: skip
_FMR = Metric("renewability_fmr", "fraction", "", "How often a person under a re-issued key passes as an impostor "
              "would.", per=frozenset({"fmr"}))  # fmt: skip
_KS = Metric("renewability_ks", "1", "", "Largest gap between the scores of re-issued templates and of impostors.")


@register_measurement("linkability")
class Linkability(Measurement):
    """D_sys and maximal linkability between templates under different keys, each with its permutation null, and
    renewability."""

    metrics: ClassVar = (*(metric for _, *both in _LINKED for metric in both), _FMR, _KS)
    looks_at: ClassVar[Literal["recovery", "system"]] = "system"

    def skip(self, case: Case) -> str:
        if case.protocol.measures != "verification":
            return "Published pictures have no templates."
        # A key on the wire cannot be re-issued without training the server anew: there are no templates to compare.
        return "" if case.system.keyed_templates else "No template has a key that can be re-issued."

    def observe(self, case: Case) -> Kept:
        """``mated`` and ``other``: scores between keys; ``impostor`` under one key; ``tail`` for the threshold."""
        seed, defense = case.cell.seed, case.system
        keys = range(case.protocol.unlinkability_keys)
        sides = [enrolled(case.session, case.alias, defense, "victims", seed, key) for key in keys]
        mated, other = _cross_key_scores(defense, sides, seed)
        kept = tail(*case.impostors(defense, "calibration"), case.protocol.fmrs)
        return kept | {"mated": mated, "other": other, "impostor": case.impostors(defense, "victims")[0]}

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        mated, other = kept["mated"], kept["other"]
        rng = rules.rng("linkability")
        for measure, metric, beside in _LINKED:
            null = permutation_null(mated, other, measure, rng)
            yield counted(metric, row_of(metric), measure(mated, other), len(mated), "mated scores")
            row = counted(beside, row_of(beside), null.mean)
            yield row | {"ci_hi": null.quantile, "ci_method": "95 % of permutations"}
        fmr = rules.protocol.headline_fmr
        threshold = thresholds(kept, rules.protocol.fmrs).get(fmr)
        if threshold is not None:
            found = renewability(mated, kept["impostor"], threshold.value)
            yield counted(_FMR, row_of(_FMR, fmr=fmr), found.fmr) | rules.cut(calibrated(kept), fmr)
            yield counted(_KS, row_of(_KS), found.ks)


def _cross_key_scores(defense: Defense, sides: list[Enrolled], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of templates under key 0 against probes under the other keys: same person, and different persons."""
    faces = sides[0].faces
    labels = faces.labels.numpy()
    rng = Rng(seed, "cross-key").numpy()
    mated, other = [], []
    for side in sides[1:]:
        crossed = Enrolled(faces, sides[0].templates, side.probes)
        mated.append(compare_pairs(defense, crossed, *genuine_pairs(faces)))
        a = np.arange(len(labels))
        b = rng.permutation(len(labels))
        apart = labels[a] != labels[b]
        other.append(compare_pairs(defense, crossed, a[apart], b[apart]))
    return np.concatenate(mated), np.concatenate(other)
