"""What a defence costs: how well the defended system still verifies people, what it leaks in bytes, how linkable it
is."""

from __future__ import annotations

import time

import numpy as np
import torch

from ..defenses.base import Defense
from . import flags
from .core.leaks import leak_bytes
from .core.secrets import SecretSource
from .core.seeding import Rng
from .core.surfaces import Goal, Surface
from .enrolment import Enrolled, compare_pairs, enrolled, fold_row, genuine_pairs, impostor_pairs, utility_row
from .evidence import tail
from .linkability import linkability_rows
from .metrics.intervals import bootstrap_identities
from .metrics.pairs import Pairs, make_pairs
from .metrics.thresholds import Threshold, TooFewFalseAccepts, calibrate
from .metrics.verification import eer, tenfold_accuracy
from .plan import Cell
from .publication import score_publication
from .release import release_rows
from .schema import Row
from .scoring import Scored, per_identity
from .session import Session


def score_utility(session: Session, cell: Cell) -> Scored:
    """Verification, cost and, for keyed defences, unlinkability and renewability."""
    alias = cell.target.recognizer
    defense = session.defense(cell.defense, alias, cell.seed)
    scored = Scored([])
    if session.track.protocol.measures == "publication":
        score_publication(session, cell, defense, scored)
        _cost(session, defense, cell.seed, scored)
        _state(defense, scored)
        return scored
    thresholds = defended_thresholds(session, alias, defense, cell.seed, scored)
    accuracy = _verification(session, alias, defense, cell.seed, thresholds, scored)
    if defense.name == "none" and session.official_pairs() is not None:
        scored.flags += flags.answer_flag(accuracy, session.track.recognizers[alias].reported_accuracy)
    scored.flags += flags.unreadable_flag(len(session.dataset.corrupt))
    if defense.name != "none":
        plain = Scored([])
        undefended = session.undefended(alias)
        reference = defended_thresholds(session, alias, undefended, cell.seed, plain)
        base = _verification(session, alias, undefended, cell.seed, reference, plain)
        scored.kept["pairs_plain"] = plain.kept["pairs"]
        loss = base - accuracy
        scored.rows.append(utility_row("accuracy_undefended_difference", -loss, "fraction", up=True))
        if defense.goal is not Goal.RELEASE_DATASET:  # its users never meet the deployed system
            scored.flags += flags.utility_flag(loss, session.track.protocol.utility_loss)
    _state(defense, scored)
    _cost(session, defense, cell.seed, scored)
    # A key on the wire cannot be re-issued without training the server anew: there are no templates to compare.
    if defense.keyed_templates:
        linkability_rows(session, alias, defense, cell.seed, thresholds, scored)
    if defense.goal is Goal.RELEASE_DATASET:
        release_rows(session, cell, defense, scored)
    scored.flags += flags.threshold_flags(
        ("the defended system", fmr, t.false_accepts) for fmr, t in thresholds.items() if t is not None and t.warn
    )
    return scored


def _state(defense: Defense, scored: Scored) -> None:
    """What the defence says of itself."""
    for name, value in defense.properties().items():
        text = isinstance(value, str)  # a word stands in the unit's column: values are numbers
        scored.rows.append(utility_row(name, None if text else value, str(value) if text else ""))


def defended_thresholds(
    session: Session, alias: str, defense: Defense, seed: int, scored: Scored
) -> dict[float, Threshold | None]:
    """Of the defended pipeline's own scores, on cross-identity pairs of the calibration split."""
    both = enrolled(session, alias, defense, "calibration", seed)
    scores = compare_pairs(defense, both, *impostor_pairs(both.faces, seed))
    scored.kept |= tail(scores, session.track.protocol.fmrs)
    found: dict[float, Threshold | None] = {}
    for fmr in session.track.protocol.fmrs:
        try:
            found[fmr] = calibrate(scores, fmr, both.faces.n_identities)
        except TooFewFalseAccepts:
            found[fmr] = None
    return found


def _verification(
    session: Session, alias: str, defense: Defense, seed: int, thresholds: dict[float, Threshold | None], scored: Scored
) -> float:
    """Ten-fold accuracy, on the set's own pairs where it has them; EER and TAR of the victims. Returns the accuracy."""
    both = enrolled(session, alias, defense, "victims", seed)
    paired, pairs = _verification_pairs(session, alias, defense, seed, both)
    scores = compare_pairs(defense, paired, pairs.first, pairs.second)
    folds = tenfold_accuracy(scores, pairs.same, pairs.fold)
    row = fold_row("accuracy", folds.per_fold, len(pairs.same))
    scored.rows.append(row | {"split": paired.faces.name})  # "pairs": the set's own, which hold other people too
    genuine = compare_pairs(defense, both, *genuine_pairs(both.faces))
    impostor = compare_pairs(defense, both, *impostor_pairs(both.faces, seed))
    scored.rows.append(utility_row("eer", eer(genuine, impostor), "fraction", up=False))
    owner = both.faces.labels.numpy()[genuine_pairs(both.faces)[0]]
    scored.kept |= {
        "pairs": scores, "pairs_same": pairs.same, "pairs_fold": pairs.fold, "pairs_split": np.array(paired.faces.name),
        "genuine": genuine, "genuine_owner": owner, "impostor": impostor,
    }  # fmt: skip
    for fmr, threshold in thresholds.items():
        row = utility_row("tar", None, "fraction", up=True) | {"fmr": fmr}
        if threshold is None:
            scored.rows.append(row | {"status": "refused", "ci_method": "too few false accepts"})
        else:
            row["threshold"] = threshold.value
            scored.rows.append(row | _tar(session, genuine, owner, threshold))
    return folds.mean


def _verification_pairs(
    session: Session, alias: str, defense: Defense, seed: int, victims: Enrolled
) -> tuple[Enrolled, Pairs]:
    """The set's official pairs where it has them and nothing was trained on the set; else pairs of the victims."""
    official = session.official_pairs()
    if official is not None:
        faces, pairs = official
        return enrolled(session, alias, defense, faces.name, seed), pairs
    rng = Rng(seed, "verification").numpy()
    return victims, make_pairs(victims.faces.labels.numpy(), rng, session.track.protocol.verification_pairs)


def _tar(session: Session, genuine: np.ndarray, owner: np.ndarray, threshold: Threshold) -> Row:
    """Macro TAR by identity at the threshold, with its identity bootstrap."""
    values = per_identity((genuine > threshold.value).astype(float), owner)
    protocol = session.track.protocol
    rng = Rng(0, "bootstrap").numpy()
    found = bootstrap_identities(values, rng, resamples=protocol.bootstrap, level=protocol.level)
    return {"value": found.value, "ci_lo": found.lo, "ci_hi": found.hi, "ci_method": found.method,
            "n": found.n, "n_unit": "identities"}  # fmt: skip


def _cost(session: Session, defense: Defense, seed: int, scored: Scored) -> None:
    """Milliseconds per image to protect (all of the defended path but the recogniser), bytes at each surface."""
    faces = session.faces("victims")
    index = torch.arange(min(4 if defense.slow else 32, len(faces)))
    images = faces.images(index).to(session.device)
    draw = SecretSource.installation(seed).draw(faces.ids[index])
    with torch.no_grad():
        defense.transmit(defense.publish(images[:1], draw.take(slice(0, 1))), draw.take(slice(0, 1)))  # warm up
        start = time.perf_counter()
        wire = defense.transmit(defense.publish(images, draw), draw)
        spent = time.perf_counter() - start
        z = defense.embed(wire)
        start = time.perf_counter()
        defense.enroll(z, draw)
        spent += time.perf_counter() - start
        scored.rows.append(utility_row("protect_ms", 1000 * spent / len(index), "ms", up=False))
        for surface in Surface:
            size = leak_bytes(defense.leak(images[:2], surface, draw.take(slice(0, 2))))
            scored.rows.append(utility_row("leak_bytes", size, "bytes") | {"surface": surface.value})
