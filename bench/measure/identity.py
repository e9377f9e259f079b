"""Does a judge take the recovery for the victim: SAR Type-I and Type-II at each FMR, and the cosine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from ..core.registry import register_measurement
from ..metrics.calibration import Calibration
from ..metrics.hierarchical import shares_above
from ..record.metrics import Metric
from ..record.results import Row
from . import flags
from .base import Flag, Kept, Measurement
from .case import Case
from .evidence import below, calibrated, judges_in, leak_scores, thresholds, under
from .rows import Rules, at_rates, measured, per_identity, row_of

_JUDGED = frozenset({"judge", "fmr"})


@register_measurement("identity")
class Identity(Measurement):
    """Rates macro-averaged by identity, thresholds from calibration identities.

    SAR_I = mean over identities of mean over its leaks of 1[s(y, x) > t], x the photograph that leaked;
    SAR_II the same with every other photograph of the victim in place of x.
    """

    metrics: ClassVar = (
        Metric("sar_type1", "fraction", "higher", "Share of recoveries that the judge takes for the very photograph "
               "that leaked.", per=_JUDGED),
        Metric("sar_type2", "fraction", "higher", "Share of recoveries that the judge takes for another photograph of "
               "the victim.", per=_JUDGED),
        Metric("cosine", "cosine", "higher", "Similarity of recoveries with the photographs that leaked.",
               per=frozenset({"judge"})),
    )  # fmt: skip

    def skip(self, case: Case) -> str:
        return "" if case.judges else "Nobody was recovered."

    def observe(self, case: Case) -> Kept:
        """By ``JUDGE/``: what the thresholds rest on; by ``JUDGE/SPLIT/``: scores with the photographs of the victims;
        ``twice``: how many photographs that leaked are also among the others."""
        kept: Kept = {"attacked": np.array(case.alias)}
        for judge in case.judges:
            kept |= under(judge.name, judge.tail)
            for split, part in case.outcome.leaked.items():
                kept |= under(f"{judge.name}/{split}", leak_scores(part, case.similarity(judge, split)))
        for split, part in case.outcome.leaked.items():
            faces, index = part.faces, part.index.tolist()
            names = {"sample": faces.samples, "identity": faces.identities}
            kept |= {f"leaks/{split}/{name}": np.array([texts[i] for i in index]) for name, texts in names.items()}
            kept[f"leaks/{split}/presentation"] = part.presentation.numpy()
        kept["twice"] = np.array(_twice(case))
        return kept

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        for judge in judges_in(kept):
            own = below(judge, kept)
            known = calibrated(own)
            for split in [name.removesuffix("/same") for name in own if name.endswith("/same")]:
                yield from self._judged(below(split, own), known, judge, split, rules)

    def _judged(self, kept: Kept, known: Calibration, judge: str, split: str, rules: Rules) -> list[Row]:
        owner, same, leak, other = (kept[name] for name in ("owner", "same", "leak", "other"))
        one, two, cosine = self.metrics
        second = at_rates(two, other, owner[leak], known, rules, judge=judge, split=split)
        if split != "victims":  # they only serve the choice of the strongest attack
            return second
        first = at_rates(one, same, owner, known, rules, judge=judge, split=split)
        row = row_of(cosine, judge=judge, split=split)
        return [*first, *second, measured(cosine, row, rules.mean(per_identity(same, owner)))]

    def flags(self, kept: Kept, rules: Rules) -> Iterator[Flag]:
        judges = judges_in(kept)
        yield from flags.judge_flag(judges, str(kept["attacked"]))
        yield from flags.twice_flag(int(kept["twice"]))
        draw = kept["leaks/victims/presentation"] if "leaks/victims/presentation" in kept else np.zeros(0)
        for judge in judges if len(draw) and draw.max() > 0 else ():
            own = below(judge, kept)
            threshold = calibrated(own).threshold(rules.protocol.headline_fmr)
            if threshold is not None:
                yield from flags.lucky_draw_flag(_by_draw(below("victims", own), draw, threshold.value), judge)
        yield from flags.threshold_flags(
            (judge, fmr, found.identity_pairs or 0)
            for judge in judges
            for fmr, found in thresholds(below(judge, kept), rules.protocol.fmrs).items()
            if found is not None and found.warn
        )


def _twice(case: Case) -> int:
    """How many of the photographs that leaked are also, byte for byte, other photographs of the victims split."""
    splits = case.session.splits
    shas = splits.loc[splits["split"] == "victims", ["sample", "sha"]]
    copied = set(shas.loc[shas["sha"].duplicated(keep=False), "sample"])
    return sum(case.leaked.faces.samples[i] in copied for i in sorted(set(case.leaked.index.tolist())))


def _by_draw(kept: Kept, draw: np.ndarray, threshold: float) -> np.ndarray:
    """(D, I) SAR Type-II of each draw and victim."""
    owner, of = kept["owner"][kept["leak"]], draw[kept["leak"]]
    people = np.unique(owner)
    rates = np.full((int(draw.max()) + 1, len(people)), np.nan)
    for one in np.unique(of):
        labels, shares = shares_above(kept["other"][of == one], owner[of == one], threshold)
        rates[int(one), np.searchsorted(people, labels)] = shares[:, 0]
    return rates
