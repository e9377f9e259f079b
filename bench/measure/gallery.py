"""Re-identification among many further people: ranks, and searches of a gallery where most whom one seeks are not.

Beside the victims' own gallery (one photograph of each, never the one that leaked) stand N further people of the
track's ``[gallery] distractors``. Closed set: does the victim come first, among the first 5 or 20, as N grows. Open set
(ISO/IEC 19795-1): an operator sets the threshold on searches of people who are not enrolled, here all photographs of
the calibration people, so that a stated share of them returns somebody (FPIR); FNIR is how often a recovery does not
bring its victim first above that threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import torch

from ..core.code import code_of
from ..core.registry import register_measurement
from ..leak.leaked import gallery_of
from ..metrics.hierarchical import rate_interval
from ..metrics.openset import drawn_thresholds, open_set_threshold
from ..metrics.searching import search
from ..prepare.crowd import CROWD
from ..record.metrics import Metric
from ..record.results import Row
from ..store.recipe import Recipe
from .base import Kept, Measurement
from .case import Case
from .evidence import below, under
from .judges import Judge
from .rows import CALIBRATION, Rules, counted, measured, per_identity, refused, row_of

_JUDGED = frozenset({"judge"})
_DEPTHS = (1, 5, 20)
_ABOVE = "/above"
_RANKS = {
    k: Metric(f"gallery_rank{k}_{{people}}", "fraction", "higher", f"Share of victims who come {where} of a gallery in "
              "which so many further people stand.", heading=f"rank-{k} among", per=_JUDGED)
    for k, where in ((1, "first"), (5, "among the first five"), (20, "among the first twenty"))
}  # fmt: skip
_CHANCE = Metric("gallery_chance_{people}", "fraction", "", "The rank-1 that guessing would reach in that gallery.",
                 heading="chance among", per=_JUDGED)  # fmt: skip
_FNIR = Metric("gallery_fnir_{people}_at_{fpir}", "fraction", "lower", "Open set: share of recoveries whose victim "
               "does not come first above the threshold at which that share of searches of people who are not enrolled "
               "returns somebody.", heading="FNIR", per=_JUDGED)  # fmt: skip


@register_measurement("gallery")
class Gallery(Measurement):
    """Of tracks with ``[gallery]``; searches are exact, by FAISS where it is installed (``metrics/searching.py``)."""

    metrics: ClassVar = (*_RANKS.values(), _CHANCE, _FNIR)

    def skip(self, case: Case) -> str:
        if case.session.track.gallery is None:
            return "The track asks for no further people in the gallery."
        return "" if case.judges else "Nobody was recovered."

    def observe(self, case: Case) -> Kept:
        """``further`` (S,) people beside the victims, from none on, ``fpirs``, ``victims`` in the gallery.

        By ``JUDGE/``: ``owner`` (L,), ``mate`` (L,) the victim's score, ``above`` (L, S) others who score at least
        that; ``best`` (C, S) of each calibration photograph's search, ``searcher`` (C,) whose it is.
        """
        spec = case.session.track.gallery
        assert spec is not None
        sizes, own = (0, *spec.distractors.sizes), gallery_of(case.leaked.faces)
        kept: Kept = {
            "further": np.array(sizes), "fpirs": np.array(spec.distractors.fpirs), "victims": np.array(len(own)),
        }  # fmt: skip
        for judge in case.judges:
            kept |= under(judge.name, _recoveries(case, judge, own, sizes) | _strangers(case, judge, own, sizes))
        return kept

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        for judge in [name.removesuffix(_ABOVE) for name in kept if name.endswith(_ABOVE)]:
            own = below(judge, kept)
            for place, further in enumerate(kept["further"].tolist()):
                yield from _closed(own, place, further, further + int(kept["victims"]), judge, rules)
                for fpir in kept["fpirs"].tolist():
                    yield _open(own, place, further, fpir, judge, rules)


def _closed(kept: Kept, place: int, further: int, people: int, judge: str, rules: Rules) -> Iterator[Row]:
    for k in _DEPTHS:
        if k < people:
            metric = _RANKS[k]
            row = row_of(metric, name=metric.name.format(people=further), judge=judge)
            hits = per_identity((kept["above"][:, place] < k).astype(float), kept["owner"])
            yield measured(metric, row, rules.mean(hits, rate=True))
    row = row_of(_CHANCE, name=_CHANCE.name.format(people=further), judge=judge)
    yield counted(_CHANCE, row, 1 / people, people, "gallery identities")


def _open(kept: Kept, place: int, further: int, fpir: float, judge: str, rules: Rules) -> Row:
    row = row_of(_FNIR, name=_FNIR.name.format(people=further, fpir=f"{fpir:g}"), judge=judge)
    best, searcher = kept["best"][:, place], kept["searcher"]
    found = open_set_threshold(best, searcher, fpir)
    if found is None:
        return refused(row, "too few false positives")
    drawn = drawn_thresholds(best, searcher, fpir, rules.weights(len(np.unique(searcher)), CALIBRATION))
    first = np.where(kept["above"][:, place] == 0, kept["mate"], -np.inf)
    victims = rules.weights(len(np.unique(kept["owner"])))
    rate = rate_interval(first, kept["owner"], found.value, drawn, victims, rules.protocol.level, missed=True)
    return measured(_FNIR, row | {"threshold": found.value}, rate)


def _recoveries(case: Case, judge: Judge, own: np.ndarray, sizes: Sequence[int]) -> Kept:
    labels = case.leaked.faces.labels.numpy()
    place = {label: at for at, label in enumerate(labels[own].tolist())}
    true = np.array([place[label] for label in case.owner.tolist()])
    gallery, probes = judge.embeddings("victims").numpy()[own], judge.vectors(case.recovery)
    others = search(probes, gallery, [len(gallery)], gallery[true], skip=true)
    crowd = search(probes, judge.embeddings(CROWD).numpy(), sizes, gallery[true])
    mate = np.einsum("nd,nd->n", probes.astype(np.float64), gallery[true].astype(np.float64))
    return {"owner": case.owner, "mate": mate, "above": others.above + crowd.above}


def _strangers(case: Case, judge: Judge, own: np.ndarray, sizes: Sequence[int]) -> Kept:
    """Searches of people who are not enrolled: the same for all attacks, so they are made once."""
    session, faces = case.session, {name: case.session.faces(name) for name in ("calibration", "victims", CROWD)}
    of = {name: one.sha for name, one in faces.items()}
    recipe = Recipe(
        "searches", {**of, "judge": session.recognizer_recipe(judge.alias), "sizes": list(sizes)}, code_of(__name__)
    )

    def made() -> dict[str, torch.Tensor]:
        z = judge.embeddings("calibration").numpy()
        gallery = judge.embeddings("victims").numpy()[own]
        found = search(z, gallery, [len(gallery)]).best, search(z, judge.embeddings(CROWD).numpy(), sizes).best
        return {"best": torch.from_numpy(np.maximum(*found))}

    best = session.store.tensors(recipe, made)["best"].numpy()
    return {"best": best, "searcher": faces["calibration"].labels.numpy()}
