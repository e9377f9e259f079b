"""Does the victim come first in a gallery (rank 1, 5, 20 and one percent), and how often does that without a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from ..core.registry import register_measurement
from ..core.surfaces import Surface
from ..core.threat import DefenseKnowledge
from ..leak.leaked import gallery_of
from ..metrics.ranking import places
from ..metrics.reidentification import IdentityRates, by_identity, chance, lift, rank_k
from ..metrics.rivals import depths, rival_rates, stranger_rates, times_rivals
from ..record.metrics import Metric
from ..record.results import Row
from ..record.words import NOBODY, RANKS, RATIOS
from . import flags
from .base import Flag, Kept, Measurement
from .case import Case
from .evidence import below, gallery_scores, under
from .judges import Judge
from .rows import Rules, absent, counted, measured, row_of

_JUDGED = frozenset({"judge"})
_GALLERY = "/gallery"
_FIRST = {"1": "who come first", "5": "among the first five", "20": "among the first twenty",
          "1%": "among the first percent of the gallery"}  # fmt: skip


def _metrics() -> Iterator[Metric]:
    for name, rank in RANKS.items():
        yield Metric(rank, "fraction", "higher", f"Share of victims {_FIRST[name]} of a gallery.", per=_JUDGED)
        yield Metric(f"{rank}_shuffled", "fraction", "higher", f"Share {_FIRST[name]} by the recoveries of all other "
                     "victims: what shuffled recoveries reach on average.", per=_JUDGED)  # fmt: skip
        yield Metric(RATIOS[rank], "x shuffled", "higher", f"Share {_FIRST[name]} over that of shuffled "
                     "recoveries.", per=_JUDGED)  # fmt: skip
        yield Metric(f"{rank}_mean_face", "fraction", "", f"Share {_FIRST[name]} by the mean of the public "
                     "pictures.", per=_JUDGED)  # fmt: skip
        yield Metric(f"{rank}_random_vector", "fraction", "", f"Share {_FIRST[name]} by what the attack makes of "
                     "random vectors of the right distribution.", per=_JUDGED)  # fmt: skip


@register_measurement("ranks")
class Ranks(Measurement):
    """In a gallery of one photograph per identity, never the one that leaked; beside each rate what the recoveries of
    all others reach (exactly, not by one shuffle), the mean face, and recoveries of random vectors."""

    metrics: ClassVar = (
        *_metrics(),
        Metric("rank1_chance", "fraction", "", "The rank-1 that guessing would reach.", per=_JUDGED),
        Metric("rank1_lift", "x chance", "higher", "Rank-1 in multiples of chance.", per=_JUDGED),
    )

    def skip(self, case: Case) -> str:
        return "" if case.judges else "Nobody was recovered."

    def observe(self, case: Case) -> Kept:
        """By ``JUDGE/``: where in the gallery recoveries, the mean face and recoveries of nobody find whom, as
        ``metrics.ranking.places``: a fifth of the scores, which compress badly, and all that rows are made of."""
        kept: Kept = {"keyless": np.array(_keyless(case))}
        for judge in case.judges:
            scores = gallery_scores(case.leaked, case.similarity(judge, "victims"))
            last = max(depths(len(scores["gallery_owner"])).values(), default=1)
            ranked = {"gallery": scores.pop("gallery"), **_strangers(case, judge)}
            kept |= under(judge.name, scores | {name: places(one, last) for name, one in ranked.items()})
        return kept

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        for judge in _judges(kept):
            yield from self._ranks(below(judge, kept), judge, rules)

    def flags(self, kept: Kept, rules: Rules) -> Iterator[Flag]:
        for judge in _judges(kept) if kept.get("keyless") else ():
            own = below(judge, kept)
            probe, owner = own["owner"], own["gallery_owner"]
            if len(np.unique(probe)) > 1:
                rates = by_identity(rank_k(own["gallery"], probe, owner, 1), probe).values
                others = rival_rates(own["gallery"], probe, owner, {"1": 1})["1"].values
                yield from flags.keyless_flag(rates, others, judge)

    def _ranks(self, kept: Kept, judge: str, rules: Rules) -> Iterator[Row]:
        similarity, probe, owner = kept["gallery"], kept["owner"], kept["gallery_owner"]
        people = len(owner)
        ks = depths(people)
        if not ks:
            return
        floors = _floors(kept, ks)
        for name, k in ks.items():
            rates = by_identity(rank_k(similarity, probe, owner, k), probe).values
            own = measured(self.metric(RANKS[name]), row_of(self.metric(RANKS[name]), judge=judge),
                           rules.mean(rates, rate=True))  # fmt: skip
            yield own
            if name == "1":
                yield self._row("rank1_chance", judge, chance(1, people), people, "gallery identities")
                up = {end: lift(own[end], people) for end in ("value", "ci_lo", "ci_hi")}
                yield own | row_of(self.metric("rank1_lift"), judge=judge) | up
            for floor, found in floors.items():
                yield self._row(f"{RANKS[name]}_{floor}", judge, found[name].macro, int(found[name].counts.sum()),
                                "pairs of person and recovery")  # fmt: skip
            if "shuffled" in floors:
                yield self._ratio(RATIOS[RANKS[name]], judge, rates, floors["shuffled"][name].values, rules)

    def _ratio(self, name: str, judge: str, rates: np.ndarray, others: np.ndarray, rules: Rules) -> Row:
        metric, protocol = self.metric(name), rules.protocol
        found = times_rivals(rates, others, rules.rng(), protocol.bootstrap, protocol.level)
        row = row_of(metric, judge=judge)
        return (
            measured(metric, row, found) if found else absent(row, "neither its own nor other recoveries find anybody")
        )

    def _row(self, name: str, judge: str, value: float, n: int, n_unit: str) -> Row:
        metric = self.metric(name)
        return counted(metric, row_of(metric, judge=judge), value, n, n_unit)


def _floors(kept: Kept, ks: Mapping[str, int]) -> dict[str, dict[str, IdentityRates]]:
    """By baseline and rank: what is reached without a reason."""
    probe, owner = kept["owner"], kept["gallery_owner"]
    found = {}
    if len(np.unique(probe)) > 1:
        found["shuffled"] = rival_rates(kept["gallery"], probe, owner, ks)
    return found | {name: stranger_rates(kept[name], probe, owner, ks) for name in NOBODY if name in kept}


def _judges(kept: Kept) -> list[str]:
    return [name.removesuffix(_GALLERY) for name in kept if name.endswith(_GALLERY)]


def _keyless(case: Case) -> bool:
    """Whether whoever attacks holds stored templates and no key that belongs to them, so that nobody can be found.

    With one key for all, learning through the deployed system (K1) is learning against that key; with a key for each
    person it is not. Who asks questions about a victim is answered by what holds the key.
    """
    threat = case.cell.threat
    if threat is None or threat.victims or case.cell.surface is not Surface.TEMPLATE:
        return False
    without = {DefenseKnowledge.K0, DefenseKnowledge.K1 if case.system.person_keyed else DefenseKnowledge.K2}
    return case.system.silent_without_key and threat.defense in without and not case.outcome.queries_per_victim


def _strangers(case: Case, judge: Judge) -> Kept:
    """``mean_face`` (1, G) and ``random_vector`` (R, G): scores of what is of nobody."""
    templates = judge.embeddings("victims").numpy()[gallery_of(case.leaked.faces)]
    found = {"mean_face": judge.embed(case.mean_face[None]) @ templates.T}
    if case.outcome.nobody is not None:
        found["random_vector"] = judge.vectors(case.outcome.nobody) @ templates.T
    return found
