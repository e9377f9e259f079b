"""How much of the victims is in what was recovered: the suite's numbers for tensors of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..core.errors import ContractError, InputError
from ..core.faces import FaceSet, resize
from ..core.recovery import Recovery
from ..measure.evidence import calibrated, tail
from ..measure.rows import Rules, columns_of, per_identity, refused
from ..metrics.calibration import Calibration
from ..metrics.quality import psnr, ssim
from ..metrics.thresholds import impostor_scores
from ..plan.track import Protocol
from ..recognizers.base import Recognizer
from ..record.results import Row
from .faces import check_apart
from .leakage import Attacked
from .system import Leaked

COLUMNS = (
    "metric", "judge", "fmr", "value", "ci_lo", "ci_hi", "ci_method", "n", "n_unit", "unit", "threshold", "fmr_lo",
    "fmr_hi", "status", "surface", "knowledge", "recognizer_access", "n_queries", "n_aux",
)  # fmt: skip


def score(
    recovery: Recovery | Tensor,
    leaked: Leaked,
    *,
    calibration: FaceSet,
    judges: Recognizer | Sequence[Recognizer] = (),
    fmrs: Sequence[float] = (0.01,),
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per metric and judge, each with an interval over identities; columns as in ``results.csv``.

    ``sar_type1`` is the share of recoveries that a judge accepts as the very photograph that leaked, ``sar_type2`` as
    other photographs of the person, at the false match rate ``fmr``. The attacked recogniser always judges pictures; a
    judge that no attack saw says more. Embeddings without pictures are judged in the space that they live in.

    Args:
        recovery: what an attack handed back, or (L, 3, H, W) pictures of one's own making, a row for each leak.
        leaked: what was attacked.
        calibration: people for the thresholds, neither victims nor the adversary's.
        judges: recognisers, neither the attacked one nor the adversary's.
        fmrs: false match rates; one that the calibration people cannot support is a row with status ``refused``.
        resamples: of the bootstrap over identities.
        level: of the intervals.
        seed: of the bootstrap.

    Raises:
        ContractError: another number of recoveries than leaks.
        DataError: calibration people are victims.
        InputError: a judge that is the attacked recogniser or the adversary's own; attributes alone.
    """
    found = Recovery(images=recovery) if isinstance(recovery, Tensor) else recovery
    if len(found) != len(leaked):
        raise ContractError(f"{len(found)} recoveries for {len(leaked)} leaks; hand back one for each, in their order.")
    check_apart(calibration, leaked.faces, "thresholds come from people who are not attacked")
    if isinstance(found, Attacked) and found.public is not None:
        check_apart(calibration, found.public, "thresholds come from people whom no attack saw")
    owner = leaked.faces.labels[leaked.part.index].numpy()

    rules = Rules(Protocol.model_construct(fmrs=tuple(fmrs), bootstrap=resamples, level=level), seed)
    rows: list[Row] = []
    for name, judge in _judges(found, leaked, judges).items():
        known = _calibrated(judge, calibration, fmrs)
        rows += [{"judge": name} | row for row in _judged(found, leaked, judge, known, rules)]
    for metric, unit, measured in _quality(found, leaked):
        drawn = rules.mean(per_identity(measured, owner))
        rows.append({"metric": metric, "unit": unit} | columns_of(drawn, True))
    told = {"surface": leaked.surface.value} | _granted(found)
    frame = pd.DataFrame([{"status": "ok"} | row | told for row in rows], columns=list(COLUMNS))
    return frame.fillna({"judge": "", "ci_method": "", "n_unit": "", "knowledge": "", "recognizer_access": ""})


def _judges(found: Recovery, leaked: Leaked, judges: Recognizer | Sequence[Recognizer]) -> dict[str, Recognizer]:
    """By name: the attacked recogniser and the independent ones for pictures, the space of embeddings alone.

    Raises:
        InputError: a judge that is no stranger, two of one name, or nothing that shows a person.
    """
    attacked, own = leaked.system.recognizer, found.surrogate if isinstance(found, Attacked) else None
    others = [judges] if isinstance(judges, Recognizer) else list(judges)
    for judge in others:
        if judge is attacked or judge is own:
            raise InputError(
                f"Judge {judge.alias!r} is part of the attack; a judge is a recogniser that no attack saw."
            )
    if found.images is not None:
        named = {one.alias: one for one in (attacked, *others)}
        if len(named) <= len(others):
            raise InputError(
                f"Recognisers {[one.alias for one in (attacked, *others)]} share a name; give each one with "
                "faceleak.recognizer(..., name=...)."
            )
        return named
    if found.embeddings is None:
        raise InputError("This recovery holds attributes alone; whom they show is not a question for a judge.")
    if found.space == "target":
        return {attacked.alias: attacked}
    if own is None:
        raise InputError(
            "These embeddings live in the adversary's own recogniser's space; score what attack() returned."
        )
    return {f"surrogate:{own.alias}": own}


def _calibrated(judge: Recognizer, calibration: FaceSet, fmrs: Sequence[float]) -> Calibration:
    """What a judge's thresholds rest on."""
    scores, first, second = impostor_scores(judge.embed(_all(calibration)).numpy(), calibration.labels.numpy())
    return calibrated(tail(scores, (first, second), fmrs))


def _judged(found: Recovery, leaked: Leaked, judge: Recognizer, known: Calibration, rules: Rules) -> Iterator[Row]:
    """Rows of one judge; those whose threshold is refused have no number."""
    z = judge.embed(found.images) if found.images is not None else found.embeddings
    assert z is not None
    similarity = z.cpu().numpy() @ judge.embed(_all(leaked.faces)).numpy().T  # (L, N)
    index = leaked.part.index.numpy()
    owner = leaked.faces.labels.numpy()[index]
    same = similarity[np.arange(len(index)), index]  # (L,) with the photograph that leaked
    leak, photograph = np.nonzero(leaked.part.photographs())
    of = {"sar_type1": (same, owner), "sar_type2": (similarity[leak, photograph], owner[leak])}
    for fmr in rules.protocol.fmrs:
        for metric, (scores, people) in of.items():
            row: Row = {"metric": metric, "fmr": fmr, "unit": "fraction"}
            if known.threshold(fmr) is None:
                yield refused(row)
            else:
                yield row | rules.cut(known, fmr) | columns_of(rules.above(scores, people, known, fmr), True)
    yield {"metric": "cosine", "unit": "cosine"} | columns_of(rules.mean(per_identity(same, owner)), True)


def _quality(found: Recovery, leaked: Leaked) -> Iterator[tuple[str, str, np.ndarray]]:
    """PSNR and SSIM of pictures with what leaked, at the recovery's resolution."""
    if found.images is None:
        return
    y = found.images.cpu()
    x = resize(leaked.faces.images(leaked.part.index), y.shape[-1])
    yield "psnr", "dB", psnr(y, x).numpy()
    yield "ssim", "1", ssim(y, x).numpy()


def _granted(found: Recovery) -> Row:
    """What the attack was allowed and what it used; nothing is known of recoveries of somebody's own making."""
    if not isinstance(found, Attacked) or found.threat is None:
        return {}
    threat = found.threat
    return {
        "knowledge": threat.defense.value, "recognizer_access": threat.recognizer.value,
        "n_queries": found.n_queries, "n_aux": found.n_pairs,
    }  # fmt: skip


def _all(faces: FaceSet) -> Tensor:
    return faces.images(torch.arange(len(faces)))
