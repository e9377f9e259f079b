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
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...core.registry import register_measurement
from ...leak.leaked import gallery_of, other_images
from ...metrics.reidentification import by_identity, chance, rank_k
from ...record.metrics import Metric
from ...record.results import Row
from ..base import Kept
from ..case import Case
from ..evidence import below, calibrated, judges_in, under
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
    known = calibrated(kept)
    yield from at_rates(_DODGED, kept["other"], owner[kept["leak"]], known, rules, judge=judge, missed=True)
    able = [fmr for fmr in rules.protocol.fmrs if known.threshold(fmr) is not None]
    if "near" in kept and able:
        people = np.arange(len(owner))
        for metric, place in ((_PASSED, "near"), (_PLAIN, "plain")):
            yield from at_rates(metric, kept[place].max(1), people, known, rules, fmrs=able, judge=judge)


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
