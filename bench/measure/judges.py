"""A judge: a recogniser with thresholds calibrated on identities that no attack and no victim shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..core.recovery import Recovery
from ..metrics.thresholds import Threshold, impostor_scores
from ..plan.cells import Cell
from ..prepare.session import Session
from .evidence import Kept, tail, thresholds


@dataclass
class Judge:
    """Decides whether a recovery is the victim.

    Args:
        name: what rows call it: the recogniser's alias, behind ``surrogate:`` where it is the adversary's own.
        alias: the recogniser.
        session: for embeddings of the splits.
        thresholds: per FMR, None where the calibration identities cannot support it.
        tail: the calibration scores that the thresholds follow from.
        pixels: False where the recovery is an embedding in this judge's own space.
    """

    name: str
    alias: str
    session: Session
    thresholds: dict[float, Threshold | None]
    tail: Kept
    pixels: bool = True

    def embeddings(self, split: str) -> Tensor:
        """(N, D) of the undefended photographs of a split."""
        return self.session.embeddings(self.alias, split)

    def embed(self, images: Tensor) -> np.ndarray:
        """(L, D) of recovered pictures."""
        return self.session.recognizer(self.alias).embed(images.to(self.session.device)).cpu().numpy()

    def similarity(self, recovery: Recovery, split: str) -> np.ndarray:
        """(L, N) cosine of each recovery with each photograph of the split."""
        return self.vectors(recovery) @ self.embeddings(split).numpy().T

    def vectors(self, recovery: Recovery) -> np.ndarray:
        """(L, D) of unit norm: who a recovery is to this judge."""
        if self.pixels:
            assert recovery.images is not None
            return self.embed(recovery.images)
        assert recovery.embeddings is not None
        return recovery.embeddings.numpy()


def judges_of(session: Session, cell: Cell, recovery: Recovery) -> list[Judge]:
    """The attacked recogniser and the independent ones for pictures; the named space for embeddings without pixels;
    nobody where no person was recovered."""
    if recovery.images is not None:
        return [make_judge(session, alias) for alias in (cell.target.recognizer, *cell.target.judges)]
    if recovery.embeddings is None:
        return []
    alias = cell.target.surrogate if recovery.space == "surrogate" else cell.target.recognizer
    judge = make_judge(session, alias)
    judge.pixels = False
    if alias != cell.target.recognizer:
        # Not an independent judge: the adversary trained towards this space.
        judge.name = f"surrogate:{alias}"
    return [judge]


def make_judge(session: Session, alias: str) -> Judge:
    """Calibrate on all cross-identity pairs of the calibration split."""
    faces = session.faces("calibration")
    z = session.embeddings(alias, "calibration").numpy()
    scores, first, second = impostor_scores(z, faces.labels.numpy())
    kept, fmrs = tail(scores, (first, second), session.track.protocol.fmrs), session.track.protocol.fmrs
    return Judge(alias, alias, session, thresholds(kept, fmrs), kept)
