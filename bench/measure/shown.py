"""What is published of the first victims, one photograph each, and by which judges it is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ...defenses.base import Defense
from ..core.faces import FaceSet
from ..leak.leaked import first_images, other_images
from ..leak.published import published
from ..plan.cells import Cell
from ..prepare.session import Session
from ..record.words import PROTECTOR
from .judges import Judge, make_judge


@dataclass(frozen=True)
class Published:
    """One photograph each of V people.

    Args:
        faces: the victims split.
        index: (V,) positions of what was published.
        originals: (V, 3, H, W).
        images: (V, 3, H, W) as published.
        again: (V, 3, H, W) another photograph of each, published too.
        judges: all judges of the target.
    """

    faces: FaceSet
    index: Tensor
    originals: Tensor
    images: Tensor
    again: Tensor
    judges: tuple[Judge, ...] = ()

    @property
    def owner(self) -> np.ndarray:
        """(V,) labels."""
        return self.faces.labels[self.index].numpy()

    def others(self) -> np.ndarray:
        """(V, n) bool: which pictures of the split show the same person and are not the published one."""
        same: np.ndarray = self.faces.labels.numpy()[None] == self.owner[:, None]
        same[np.arange(len(same)), self.index.numpy()] = False
        return same


def shown_of(session: Session, cell: Cell, defense: Defense) -> Published:
    """What ``defense`` publishes in a cell."""
    faces, source = session.faces("victims"), session.installation(cell.seed)
    alias = cell.target.recognizer
    index = first_images(faces, 1, session.track.protocol.published_victims)
    made, again = (
        published(session, defense, alias, faces, where, source) for where in (index, other_images(faces, index))
    )
    return Published(faces, index, faces.images(index), made, again, tuple(_judges(session, cell)))


def _judges(session: Session, cell: Cell) -> list[Judge]:
    """All judges of the target; the name of one that whoever protects had at hand says so."""
    judges = [make_judge(session, alias) for alias in (cell.target.recognizer, *cell.target.judges)]
    for judge in judges:
        if judge.alias in session.track.protocol.protectors:
            judge.name = f"{PROTECTOR}{judge.alias}"
    return judges
