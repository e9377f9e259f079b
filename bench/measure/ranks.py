"""Does the victim come first in a gallery: rank 1, 5 and 20 with what chance and another's recovery would reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ..core.registry import register_measurement
from ..metrics.reidentification import by_identity, chance, lift, rank_k, risk_ratio, shuffled
from ..record.metrics import Metric
from ..record.results import Row
from .base import Kept, Measurement
from .case import Case
from .evidence import below, gallery_scores, under
from .rows import Rules, counted, measured, row_of

_JUDGED = frozenset({"judge"})
_GALLERY = "/gallery"


@register_measurement("ranks")
class Ranks(Measurement):
    """In a gallery of one photograph per identity, never the one that leaked; the ratio of rank 1 to that of shuffled
    recoveries (another victim's recovery scored as if it were this one's)."""

    metrics: ClassVar = (
        Metric("rank1", "fraction", "higher", "Share of victims who come first in a gallery.", per=_JUDGED),
        Metric("rank5", "fraction", "higher", "Share of victims among the first five.", per=_JUDGED),
        Metric("rank20", "fraction", "higher", "Share of victims among the first twenty.", per=_JUDGED),
        Metric("rank1_chance", "fraction", "", "The rank-1 that guessing would reach.", per=_JUDGED),
        Metric("rank1_lift", "x chance", "higher", "Rank-1 in multiples of chance.", per=_JUDGED),
        Metric("rank1_shuffled", "fraction", "higher", "Rank-1 of recoveries handed to other victims.", per=_JUDGED),
        Metric("risk_ratio", "x shuffled", "higher", "Rank-1 over that of shuffled recoveries.", per=_JUDGED),
    )  # fmt: skip

    def skip(self, case: Case) -> str:
        return "" if case.judges else "Nobody was recovered."

    def observe(self, case: Case) -> Kept:
        """By ``JUDGE/``: scores against the gallery."""
        kept: Kept = {}
        for judge in case.judges:
            kept |= under(judge.name, gallery_scores(case.leaked, case.similarity(judge, "victims")))
        return kept

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        for judge in [name.removesuffix(_GALLERY) for name in kept if name.endswith(_GALLERY)]:
            yield from self._ranks(below(judge, kept), judge, rules)

    def _ranks(self, kept: Kept, judge: str, rules: Rules) -> Iterator[Row]:
        similarity, probe, owner = kept["gallery"], kept["owner"], kept["gallery_owner"]
        people = len(owner)
        rates = {k: by_identity(rank_k(similarity, probe, owner, k), probe).values for k in (1, 5, 20) if k < people}
        if not rates:
            return
        row = {name: row_of(self.metric(name), judge=judge) for name in (one.name for one in self.metrics)}
        ranked = {k: measured(self.metric(f"rank{k}"), row[f"rank{k}"], rules.mean(found, rate=True))
                  for k, found in rates.items()}  # fmt: skip
        yield from ranked.values()
        yield counted(self.metric("rank1_chance"), row["rank1_chance"], chance(1, people), people, "gallery identities")
        up = {name: lift(ranked[1][name], people) for name in ("value", "ci_lo", "ci_hi")}
        yield ranked[1] | row["rank1_lift"] | up
        other = shuffled(probe, rules.rng())
        mixed = by_identity(rank_k(similarity[other], probe, owner, 1), probe).values
        yield measured(self.metric("rank1_shuffled"), row["rank1_shuffled"], rules.mean(mixed, rate=True))
        if rates[1].any() and mixed.any():
            protocol = rules.protocol
            ratio = risk_ratio(rates[1], mixed, rules.rng(), protocol.bootstrap, protocol.level)
            yield measured(self.metric("risk_ratio"), row["risk_ratio"], ratio)
