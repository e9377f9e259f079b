"""Who still finds the person of a published picture. For a judge with threshold t:

psr_dodging         1 - SAR-II: share of published pictures that are *not* taken for any given other, unprotected
                    photograph of their person, s <= t. CLIP2Protect and GIFT call it dodging.
psr_impersonation   share of published pictures that pass for a decoy, s > t with a photograph of a decoy that the
                    search did not see (of several decoys the best one, as in TIP-IM).
rank1_originals     share whose person comes first in a gallery of one unprotected photograph of everybody; 1 minus
                    it is TIP-IM's Rank-1-UT.
rank1_published     the same against other photographs that were *published the same way*: whether two protected
                    pictures of one person can still be linked.
rank1_decoy         share for which a decoy comes first in the gallery of originals and decoys: TIP-IM's Rank-1-T.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...core.registry import register_measurement
from ...leak.leaked import gallery_of, other_images
from ...metrics.intervals import Interval
from ...metrics.reidentification import by_identity, chance, rank_k, sar_type2
from ...record.metrics import Metric
from ...record.results import Row
from ..base import Kept
from ..case import Case
from ..evidence import below, judges_in, thresholds, under
from ..judges import Judge
from ..rows import Rules, at_rates, counted, measured, row_of
from ..shown import Published
from .base import OfPublished

_JUDGE, _RATE = frozenset({"judge"}), frozenset({"judge", "fmr"})
_DODGED = Metric("psr_dodging", "fraction", "higher", "Published pictures that the judge does not take for another "
                 "photograph of their person.", per=_RATE)  # fmt: skip
_PASSED = Metric("psr_impersonation", "fraction", "higher", "Published pictures that pass for a decoy.", per=_RATE)
_PLAIN = Metric("psr_impersonation_unprotected", "fraction", "higher", "The photographs as they were that pass for a "
                "decoy.", per=_RATE)  # fmt: skip
_ORIGINALS = Metric("rank1_originals", "fraction", "lower", "Published pictures whose person comes first among "
                    "unprotected photographs.", per=_JUDGE)  # fmt: skip
_AGAIN = Metric("rank1_published", "fraction", "lower", "Published pictures whose person comes first among pictures "
                "published the same way.", per=_JUDGE)  # fmt: skip
_CHANCE = Metric("rank1_published_chance", "fraction", "", "What guessing would reach there.", per=_JUDGE)
_DECOY = Metric("rank1_decoy", "fraction", "higher", "Published pictures for which a decoy comes first.", per=_JUDGE)


@register_measurement("found")
class Found(OfPublished):
    """Rates of each judge, by identity."""

    metrics: ClassVar = (_DODGED, _PASSED, _PLAIN, _ORIGINALS, _AGAIN, _CHANCE, _DECOY)

    def observe(self, case: Case) -> Kept:
        """By ``JUDGE/``: the calibration tail and what ``_seen`` says."""
        kept: Kept = {}
        decoys = _decoys(case)
        for judge in case.shown.judges:
            kept |= under(judge.name, judge.tail | _seen(judge, case.shown, decoys))
        return kept

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        for judge in judges_in(kept):
            yield from _judged(below(judge, kept), judge, rules)


def _judged(kept: Kept, judge: str, rules: Rules) -> Iterator[Row]:
    owner = kept["owner"]
    for metric, place, people in ((_ORIGINALS, "gallery", kept["gallery_owner"]), (_AGAIN, "again", owner)):
        yield measured(metric, row_of(metric, judge=judge), rules.mean(first(kept[place], owner, people), rate=True))
    yield counted(_CHANCE, row_of(_CHANCE, judge=judge), chance(1, len(owner)), len(owner), "gallery identities")
    if "near" in kept:
        nearest = (kept["near"].max(1) > kept["gallery"].max(1)).astype(float)
        yield measured(_DECOY, row_of(_DECOY, judge=judge), rules.mean(nearest, rate=True))
    at = thresholds(kept, rules.protocol.fmrs)

    def dodged(threshold: float) -> np.ndarray:
        return 1 - sar_type2(kept["other"], owner[kept["leak"]], threshold).values

    yield from at_rates(_DODGED, lambda t: rules.mean(dodged(t), rate=True), at, judge)
    if "near" in kept:
        able = {fmr: threshold for fmr, threshold in at.items() if threshold is not None}
        for metric, place in ((_PASSED, "near"), (_PLAIN, "plain")):
            best = kept[place].max(1)
            yield from at_rates(metric, partial(_passed, best, rules), able, judge)


def _passed(best: np.ndarray, rules: Rules, threshold: float) -> Interval:
    return rules.mean((best > threshold).astype(float), rate=True)


def _decoys(case: Case) -> Tensor | None:
    """(k, 3, H, W) a photograph of each decoy that no search saw, or None."""
    labels = case.system.decoys()
    if labels is None:
        return None
    train = case.faces("train")
    seen = torch.tensor([int(torch.nonzero(train.labels == label)[0]) for label in labels])
    return train.images(other_images(train, seen))


def _seen(judge: Judge, shown: Published, decoys: Tensor | None) -> Kept:
    """All scores that this judge's rates follow from.

    ``leak`` (P,) and ``other`` (P,): each published picture with its score against each other photograph of its person;
    ``gallery`` (V, G) with ``gallery_owner`` (G,); ``again`` (V, V) against published ones; with decoys ``near`` (V, k)
    and, of the photographs as they were, ``plain`` (V, k).
    """
    owner, labels = shown.owner, shown.faces.labels.numpy()
    known, z = judge.embeddings(shown.faces.name).numpy(), judge.embed(shown.images)
    similarity = z @ known.T
    leak, photograph = np.nonzero(shown.others())
    gallery = gallery_of(shown.faces)
    kept = {
        "owner": owner, "leak": leak, "other": similarity[leak, photograph], "gallery": similarity[:, gallery],
        "gallery_owner": labels[gallery], "again": z @ judge.embed(shown.again).T,
    }  # fmt: skip
    if decoys is not None:
        towards = judge.embed(decoys)
        kept |= {"near": z @ towards.T, "plain": known[shown.index.numpy()] @ towards.T}
    return kept


def first(similarity: np.ndarray, probe: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(I,) by identity: how often the right person comes first."""
    return by_identity(rank_k(similarity, probe, owner, 1), probe).values
