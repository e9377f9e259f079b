"""The scores behind a cell's rows, kept in ``scores.npz`` so that ``faceleak verify`` can compute the rows again.

They are taken a second time, after a cell has been scored, from the same recoveries and templates: a run whose numbers
do not come out of its own scores is found by ``verify``. Of a calibration split only the largest impostor scores are
kept: the thresholds are among them.
"""

from __future__ import annotations

import numpy as np
import torch

from .core.faces import resize
from .enrolment import compare_pairs, enrolled, genuine_pairs, impostor_pairs
from .execute import LeakedSet, Outcome, first_images, other_images
from .judges import Judge, judges_of
from .linkability import cross_key_scores
from .metrics.quality import psnr, ssim
from .metrics.thresholds import all_pairs_scores
from .plan import Cell
from .session import Session
from .utility import verification_pairs

Kept = dict[str, np.ndarray]


def attack_scores(session: Session, cell: Cell, outcome: Outcome) -> Kept:
    """What the judges said of the recoveries, L leaks of one split, and the quality of the pictures.

    Returns:
        By ``judge/split/``: ``owner`` (L,) identity numbers, ``leak`` (P,) and ``other`` (P,) every leak with its score
        against each other photograph of its victim; of the victims also ``gallery`` (L, G) with ``gallery_owner`` (G,).
        By ``judge/``: ``tail`` and ``tail_of``, see ``_tail``. ``psnr`` and ``ssim`` (L,) where there are pictures.
        The scores against the leaked photographs themselves are in ``scores.parquet``.
    """
    kept: Kept = {}
    for judge in judges_of(session, cell, outcome.recoveries["victims"]):
        for split, recovery in outcome.recoveries.items():
            part = outcome.leaked[split]
            similarity = judge.similarity(recovery, part.faces.name)
            kept |= {
                f"{judge.name}/{split}/{name}": value for name, value in _of_split(part, similarity, split).items()
            }
        kept |= {f"{judge.name}/{name}": value for name, value in _calibration(session, judge).items()}
    y = outcome.recoveries["victims"].images
    if y is not None:
        victims = outcome.leaked["victims"]
        x = resize(victims.faces.images(victims.index), y.shape[-1])
        kept |= {"psnr": psnr(y, x).numpy(), "ssim": ssim(y, x).numpy()}
    return kept


def _of_split(part: LeakedSet, similarity: np.ndarray, split: str) -> Kept:
    labels = part.faces.labels.numpy()
    owner = labels[part.index.numpy()]
    leak, photo = np.nonzero(part.photographs())
    kept = {"owner": owner, "leak": leak, "other": similarity[leak, photo]}
    if split == "victims":
        faces = part.faces
        gallery = torch.unique(other_images(faces, first_images(faces, 1, faces.n_identities))).numpy()
        kept |= {"gallery": similarity[:, gallery], "gallery_owner": labels[gallery]}
    return kept


def _calibration(session: Session, judge: Judge) -> Kept:
    labels = session.faces("calibration").labels.numpy()
    return _tail(session, all_pairs_scores(judge.embeddings("calibration").numpy(), labels)[1])


def _tail(session: Session, impostor: np.ndarray) -> Kept:
    """The scores that decide every threshold of the protocol: the largest ones, and how many there were in all."""
    most = min(len(impostor), int(max(session.track.protocol.fmrs) * len(impostor)) + 2)
    return {"tail": np.sort(impostor)[len(impostor) - most :], "tail_of": np.array(len(impostor))}


def utility_scores(session: Session, cell: Cell) -> Kept:
    """What the defended system said of pairs of photographs.

    Returns:
        ``pairs``, ``pairs_same``, ``pairs_fold`` and ``pairs_split`` of the ten folds, ``pairs_plain`` the undefended
        system's scores of the same pairs; ``genuine`` with ``genuine_owner`` and ``impostor`` of the victims; ``tail``
        and ``tail_of`` of the calibration split; ``mated`` and ``other`` between keys where templates have keys.
    """
    alias, seed = cell.target.recognizer, cell.seed
    defense = session.defense(cell.defense, alias, seed)
    both = enrolled(session, alias, defense, "victims", seed)
    paired, pairs = verification_pairs(session, alias, defense, seed, both)
    first, second = genuine_pairs(both.faces)
    calibration = enrolled(session, alias, defense, "calibration", seed)
    kept = {
        "pairs": compare_pairs(defense, paired, pairs.first, pairs.second),
        "pairs_same": pairs.same,
        "pairs_fold": pairs.fold,
        "pairs_split": np.array(paired.faces.name),
        "genuine": compare_pairs(defense, both, first, second),
        "genuine_owner": both.faces.labels.numpy()[first],
        "impostor": compare_pairs(defense, both, *impostor_pairs(both.faces, seed)),
        **_tail(session, compare_pairs(defense, calibration, *impostor_pairs(calibration.faces, seed))),
    }
    if defense.name != "none":
        plain = session.undefended(alias)
        reference = enrolled(session, alias, plain, paired.faces.name, seed)
        kept["pairs_plain"] = compare_pairs(plain, reference, pairs.first, pairs.second)
    if defense.keyed_templates:
        keys = range(session.track.protocol.unlinkability_keys)
        sides = [enrolled(session, alias, defense, "victims", seed, key) for key in keys]
        kept["mated"], kept["other"] = cross_key_scores(defense, sides, seed)
    return kept
