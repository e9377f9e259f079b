"""Unlinkability and renewability of keyed templates (ISO/IEC 24745, 30136)."""

from __future__ import annotations

import numpy as np

from ..defenses.base import Defense
from .core.seeding import Rng
from .enrolment import Enrolled, compare_pairs, enrolled, genuine_pairs, impostor_pairs, utility_row
from .metrics.thresholds import Threshold
from .metrics.unlinkability import d_sys, maximal_linkability, permutation_null, renewability
from .scoring import Scored
from .session import Session


def linkability_rows(
    session: Session, alias: str, defense: Defense, seed: int, thresholds: dict[float, Threshold | None], scored: Scored
) -> None:
    """D_sys and maximal linkability between templates under different keys, each with its permutation null, and
    renewability: how often a person under a re-issued key passes as an impostor would."""
    keys = session.track.protocol.unlinkability_keys
    sides = [enrolled(session, alias, defense, "victims", seed, key) for key in range(keys)]
    mated, other = _cross_key_scores(defense, sides, seed)
    scored.kept |= {"mated": mated, "other": other}
    rng = Rng(seed, "linkability").numpy()
    for name, measure in (("d_sys", d_sys), ("max_linkability", maximal_linkability)):
        null = permutation_null(mated, other, measure, rng)
        scored.rows.append(utility_row(name, measure(mated, other), "1", n=len(mated), n_unit="mated scores"))
        row = utility_row(f"{name}_null", null.mean, "1")
        scored.rows.append(row | {"ci_hi": null.quantile, "ci_method": "95 % of permutations"})
    threshold = thresholds.get(session.track.protocol.headline_fmr)
    if threshold is not None:
        impostor = compare_pairs(defense, sides[0], *impostor_pairs(sides[0].faces, seed))
        found = renewability(mated, impostor, threshold.value)
        fmr = session.track.protocol.headline_fmr
        scored.rows.append(
            utility_row("renewability_fmr", found.fmr, "fraction") | {"fmr": fmr, "threshold": threshold.value}
        )
        scored.rows.append(utility_row("renewability_ks", found.ks, "1"))


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
