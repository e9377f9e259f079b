"""What leaked: whose pictures, in which presentations, and what an adversary holds of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...defenses.base import Defense
from ..core.faces import FaceSet
from ..core.leaks import Leak
from ..core.secrets import SecretSource
from ..core.surfaces import Surface
from ..core.threat import DefenseKnowledge
from ..isolation.views import further_views
from ..plan.cells import Cell
from ..prepare.session import Session
from .published import published


@dataclass(frozen=True)
class LeakedSet:
    """What leaked of one split.

    Args:
        faces: the split.
        index: (L,) positions of the leaked images.
        presentation: (L,) which draw of the sample secrets each leak is.
        leak: the L leaks.
        more: the same victims' second and later views, where the threat model grants them.
    """

    faces: FaceSet
    index: Tensor
    presentation: Tensor
    leak: Leak
    more: tuple[LeakedSet, ...] = ()

    def photographs(self) -> np.ndarray:
        """(L, n) bool: which pictures of the split show the victim of a leak and leaked in none of its views."""
        labels, rows = self.faces.labels.numpy(), np.arange(len(self.index))
        found = labels[self.index.numpy()][:, None] == labels
        for view in (self, *self.more):
            found[rows, view.index.numpy()] = False
        return found


def leaked_set(session: Session, system: Defense, cell: Cell, split: str, installation: SecretSource) -> LeakedSet:
    """The first images of each identity of a split leak, each in ``draws`` presentations if secrets are per sample."""
    assert cell.surface is not None
    protocol, faces = session.track.protocol, session.faces(split)
    limit = protocol.selection_victims if split == "calibration" else faces.n_identities
    if protocol.measures == "publication":
        limit = min(limit, protocol.published_victims)
    if cell.attack is not None and cell.attack.victims is not None:
        limit = min(limit, cell.attack.victims)
    each = 1 if split == "calibration" else protocol.leaks_per_identity
    draws = protocol.draws if split == "victims" and system.randomised(cell.surface) and not system.slow else 1
    first = first_images(faces, each, limit)
    index = first.repeat(draws)
    presentation = torch.arange(draws).repeat_interleave(len(first))
    alias, surface = cell.target.recognizer, cell.surface
    knowledge = cell.threat.defense if cell.threat else DefenseKnowledge.K0

    def leaked(photographs: Tensor, times: Tensor, more: tuple[LeakedSet, ...] = ()) -> LeakedSet:
        leak = session.leaked_once(
            (alias, id(system), surface, cell.seed),
            (split, tuple(photographs.tolist()), tuple(times.tolist()), system.person_keyed and knowledge),
            lambda: (
                published(session, system, alias, faces, photographs, installation)
                if system.slow and surface is Surface.IMAGE
                else session.leak(system, alias, surface, faces, photographs, times, installation, knowledge)
            ),
        )
        return LeakedSet(faces, photographs, times, leak, more)

    views = []
    if cell.attack is not None:
        views = further_views(faces, index, presentation, cell.attack, system.randomised(surface))
    return leaked(index, presentation, tuple(leaked(*view) for view in views))


def first_images(faces: FaceSet, each: int, limit: int) -> Tensor:
    """Positions of the first ``each`` images of identities that have at least one more, of the first ``limit`` such."""
    chosen: list[int] = []
    used = 0
    for label in range(faces.n_identities):
        mine = torch.nonzero(faces.labels == label).flatten().tolist()
        if len(mine) < 2 or used >= limit:
            continue
        used += 1
        chosen += mine[: min(each, len(mine) - 1)]
    return torch.tensor(sorted(chosen), dtype=torch.int64)


def other_images(faces: FaceSet, index: Tensor) -> Tensor:
    """For each image at ``index`` the last image of the same identity: never the leaked one."""
    last = {int(label): i for i, label in enumerate(faces.labels)}
    return torch.tensor([last[int(faces.labels[i])] for i in index])


def photographs_of(part: LeakedSet, index: Tensor) -> dict[str, Tensor]:
    """What a ceiling is handed: the photographs behind the leaks at ``index``, and another one of each victim."""
    shown = part.index[index]
    return {"same": part.faces.images(shown), "other": part.faces.images(other_images(part.faces, shown))}


def gallery_of(faces: FaceSet) -> np.ndarray:
    """(G,) positions of one photograph of everybody, never the first, which leaks."""
    return torch.unique(other_images(faces, first_images(faces, 1, faces.n_identities))).numpy()
