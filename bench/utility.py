"""What a defence costs: how well the defended system still verifies people, what it leaks in bytes, how linkable it
is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..defenses.base import Defense
from . import flags
from .core.faces import FaceSet
from .core.leaks import Leak, leak_bytes, leak_take
from .core.secrets import SecretSource
from .core.seeding import Rng
from .core.surfaces import Secret, Surface
from .metrics.thresholds import Threshold, TooFewFalseAccepts, calibrate
from .metrics.unlinkability import d_sys, linkability_null, maximal_linkability, renewability
from .metrics.verification import eer, make_pairs, tenfold_accuracy
from .plan import Cell
from .schema import Row
from .scoring import Scored
from .session import Session

_IMPOSTORS = 200_000  # impostor pairs of the calibration split that are compared at most


@dataclass(frozen=True)
class Enrolled:
    """A split on both sides of the comparison."""

    faces: FaceSet
    templates: Leak
    probes: Leak


def score_utility(session: Session, cell: Cell) -> Scored:
    """Verification, cost and, for keyed defences, unlinkability and renewability."""
    alias = cell.target.recognizer
    defense = session.defense(cell.defense, alias, cell.seed)
    scored = Scored([])
    thresholds = defended_thresholds(session, alias, defense, cell.seed)
    accuracy = _verification(session, alias, defense, cell.seed, thresholds, scored)
    if defense.name != "none":
        plain = Scored([])
        undefended = session.undefended(alias)
        reference = defended_thresholds(session, alias, undefended, cell.seed)
        base = _verification(session, alias, undefended, cell.seed, reference, plain)
        loss = base - accuracy
        scored.rows.append(_row("accuracy_undefended_difference", -loss, "fraction", up=True))
        scored.flags += flags.utility_flag(loss, session.track.protocol.utility_loss)
    for name, value in defense.properties().items():
        scored.rows.append(_row(name, value, ""))
    _cost(session, defense, cell.seed, scored)
    if Secret.DEPLOYMENT in defense.secrets:
        _linkability(session, alias, defense, cell.seed, thresholds, scored)
    scored.flags += flags.threshold_flags(
        ("the defended system", fmr, t.false_accepts) for fmr, t in thresholds.items() if t is not None and t.warn
    )
    return scored


def enrolled(session: Session, alias: str, defense: Defense, split: str, seed: int, key: int = 0) -> Enrolled:
    """Templates and probes of every image of a split; sample secrets differ between the two sides."""
    faces, source = session.faces(split), SecretSource.installation(seed, key)

    def side(presentation: int, stage: str) -> Leak:
        if defense.embedding_fixed:
            z = session.pipeline_embeddings(alias)(defense, faces, source)
        else:
            z = session.fresh_embeddings(defense, faces, source, presentation)
        draw = source.draw(faces.ids, presentation)
        with torch.no_grad():
            return getattr(defense, stage)(z.to(session.device), draw)  # type: ignore[no-any-return]

    return Enrolled(faces, side(100, "enroll"), side(101, "probe"))


def defended_thresholds(session: Session, alias: str, defense: Defense, seed: int) -> dict[float, Threshold | None]:
    """Of the defended pipeline's own scores, on cross-identity pairs of the calibration split."""
    both = enrolled(session, alias, defense, "calibration", seed)
    scores = _compare(defense, both, *_impostor_pairs(both.faces, seed))
    found: dict[float, Threshold | None] = {}
    for fmr in session.track.protocol.fmrs:
        try:
            found[fmr] = calibrate(scores, fmr, both.faces.n_identities)
        except TooFewFalseAccepts:
            found[fmr] = None
    return found


def _impostor_pairs(faces: FaceSet, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = faces.labels.numpy()
    a, b = np.triu_indices(len(labels), 1)
    different = labels[a] != labels[b]
    a, b = a[different], b[different]
    if len(a) > _IMPOSTORS:
        chosen = np.sort(Rng(seed, "impostors").numpy().choice(len(a), _IMPOSTORS, replace=False))
        a, b = a[chosen], b[chosen]
    return a, b


def _genuine_pairs(faces: FaceSet) -> tuple[np.ndarray, np.ndarray]:
    labels = faces.labels.numpy()
    a, b = np.triu_indices(len(labels), 1)
    same = labels[a] == labels[b]
    return a[same], b[same]


@torch.no_grad()
def _compare(defense: Defense, both: Enrolled, a: np.ndarray, b: np.ndarray, batch: int = 50_000) -> np.ndarray:
    """Scores of template ``a`` against probe ``b``."""
    parts = []
    for start in range(0, len(a), batch):
        left, right = (torch.as_tensor(side[start : start + batch]) for side in (a, b))
        parts.append(defense.compare(leak_take(both.templates, left), leak_take(both.probes, right)).float().cpu())
    return torch.cat(parts).numpy() if parts else np.empty(0, np.float32)


def _verification(
    session: Session, alias: str, defense: Defense, seed: int, thresholds: dict[float, Threshold | None], scored: Scored
) -> float:
    """Ten-fold accuracy, EER and TAR of the victims' identities. Returns the accuracy."""
    both = enrolled(session, alias, defense, "victims", seed)
    rng = Rng(seed, "verification").numpy()
    pairs = make_pairs(both.faces.labels.numpy(), rng, session.track.protocol.verification_pairs)
    scores = _compare(defense, both, pairs.a, pairs.b)
    folds = tenfold_accuracy(scores, pairs.same, pairs.fold)
    error = 1.96 * folds.standard_error
    row = _row("accuracy", folds.mean, "fraction", up=True, n=len(pairs.a), n_unit="pairs")
    row |= {
        "ci_lo": folds.mean - error,
        "ci_hi": min(1.0, folds.mean + error),
        "ci_method": "1.96 s / sqrt(10) of folds",
    }
    scored.rows.append(row)
    genuine = _compare(defense, both, *_genuine_pairs(both.faces))
    impostor = _compare(defense, both, *_impostor_pairs(both.faces, seed))
    scored.rows.append(_row("eer", eer(genuine, impostor), "fraction", up=False))
    for fmr, threshold in thresholds.items():
        row = _row("tar", None, "fraction", up=True) | {"fmr": fmr}
        if threshold is None:
            scored.rows.append(row | {"status": "refused", "ci_method": "too few false accepts"})
        else:
            row |= {"value": float((genuine > threshold.value).mean()), "threshold": threshold.value}
            scored.rows.append(
                row | {"n": len(genuine), "n_unit": "pairs"} | _tar_interval(session, both, genuine, threshold)
            )
    return folds.mean


def _tar_interval(session: Session, both: Enrolled, genuine: np.ndarray, threshold: Threshold) -> Row:
    """Identity bootstrap of the macro TAR around the same threshold."""
    import pandas as pd

    from .metrics.intervals import bootstrap_identities

    owner = both.faces.labels.numpy()[_genuine_pairs(both.faces)[0]]
    per_identity = pd.Series((genuine > threshold.value).astype(float)).groupby(owner).mean().to_numpy()
    protocol = session.track.protocol
    rng = Rng(0, "bootstrap").numpy()
    found = bootstrap_identities(per_identity, rng, resamples=protocol.bootstrap, level=protocol.level)
    return {"value": found.value, "ci_lo": found.lo, "ci_hi": found.hi, "ci_method": found.method,
            "n": found.n, "n_unit": "identities"}  # fmt: skip


def _cost(session: Session, defense: Defense, seed: int, scored: Scored) -> None:
    """Milliseconds per image to protect (all of the defended path but the recogniser), bytes at each surface."""
    faces = session.faces("victims")
    index = torch.arange(min(32, len(faces)))
    images = faces.images(index).to(session.device)
    draw = SecretSource.installation(seed).draw(faces.ids[index])
    with torch.no_grad():
        defense.transmit(defense.publish(images, draw), draw)  # warm up
        start = time.perf_counter()
        wire = defense.transmit(defense.publish(images, draw), draw)
        spent = time.perf_counter() - start
        z = defense.embed(wire)
        start = time.perf_counter()
        defense.enroll(z, draw)
        spent += time.perf_counter() - start
        scored.rows.append(_row("protect_ms", 1000 * spent / len(index), "ms", up=False))
        for surface in Surface:
            size = leak_bytes(defense.leak(images[:2], surface, draw.take(slice(0, 2))))
            scored.rows.append(_row("leak_bytes", size, "bytes") | {"surface": surface.value})


def _linkability(
    session: Session, alias: str, defense: Defense, seed: int, thresholds: dict[float, Threshold | None], scored: Scored
) -> None:
    """D_sys and maximal linkability between templates under different keys, each with its permutation null, and
    renewability: how often a person under a re-issued key passes as an impostor would."""
    keys = session.track.protocol.unlinkability_keys
    sides = [enrolled(session, alias, defense, "victims", seed, key) for key in range(keys)]
    mated, other = _cross_key_scores(defense, sides, seed)
    rng = Rng(seed, "linkability").numpy()
    for name, measure in (("d_sys", d_sys), ("max_linkability", maximal_linkability)):
        null = linkability_null(mated, other, measure, rng)
        scored.rows.append(_row(name, measure(mated, other), "1", n=len(mated), n_unit="mated scores"))
        row = _row(f"{name}_null", null.mean, "1")
        scored.rows.append(row | {"ci_hi": null.quantile, "ci_method": "95 % of permutations"})
    threshold = thresholds.get(session.track.protocol.headline_fmr)
    if threshold is not None:
        impostor = _compare(defense, sides[0], *_impostor_pairs(sides[0].faces, seed))
        found = renewability(mated, impostor, threshold.value)
        fmr = session.track.protocol.headline_fmr
        scored.rows.append(_row("renewability_fmr", found.fmr, "fraction") | {"fmr": fmr, "threshold": threshold.value})
        scored.rows.append(_row("renewability_ks", found.ks, "1"))


def _cross_key_scores(defense: Defense, sides: list[Enrolled], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of templates under key 0 against probes under the other keys: same person, and different persons."""
    faces = sides[0].faces
    labels = faces.labels.numpy()
    rng = Rng(seed, "cross-key").numpy()
    mated, other = [], []
    for side in sides[1:]:
        crossed = Enrolled(faces, sides[0].templates, side.probes)
        mated.append(_compare(defense, crossed, *_genuine_pairs(faces)))
        a = np.arange(len(labels))
        b = rng.permutation(len(labels))
        apart = labels[a] != labels[b]
        other.append(_compare(defense, crossed, a[apart], b[apart]))
    return np.concatenate(mated), np.concatenate(other)


def _row(
    metric: str, value: Any, unit: str, *, up: bool | None = None, n: int | None = None, n_unit: str | None = None
) -> Row:
    return {
        "metric": metric, "split": "victims", "value": value, "unit": unit, "higher_is_better": up, "n": n,
        "n_unit": n_unit,
    }  # fmt: skip
