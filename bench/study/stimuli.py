"""The pictures of a study: what attacks recovered (or a defence publishes), made anew by the run's own track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...defenses.base import overrides
from ..core.errors import DataError, InputError
from ..core.faces import FaceSet
from ..core.seeding import stable_hash
from ..measure.case import Case
from ..plan.cells import Cell
from ..prepare.session import Session
from .design import Pool

POOLS = ("victims", "calibration")  # whose photographs stand in line-ups; public faces have been the adversary's


@dataclass(frozen=True)
class Stimuli:
    """What one cell shows of its victims.

    Args:
        title: what the condition is called: the cell in words.
        leaked: identity -> positions in the victims split of all its photographs that leaked.
        images: identity -> (3, s, s) in [0, 1], of its first leak.
    """

    title: str
    leaked: dict[str, set[int]]
    images: dict[str, Tensor]


def stimuli_of(session: Session, cell: Cell) -> Stimuli:
    """Run the cell's attack again (fits are kept in the store) and take a picture for each victim.

    Raises:
        InputError: nothing of this cell can be looked at.
    """
    case = Case(session, cell)
    if cell.attack is not None:
        found, faces = case.recovery.images, case.leaked.faces
        index = case.leaked.index
        views = (case.leaked, *case.leaked.more)
        seen = torch.cat([view.index for view in views])
        if found is None:
            raise InputError(f"{cell} recovers no pictures, and people can look at nothing else; choose others.")
    elif overrides(case.system, "publish"):
        found, faces, index = case.shown.images, case.shown.faces, case.shown.index
        seen = index
    else:
        raise InputError(f"{cell} publishes no pictures of its own; name an attack with --only attack=...")
    leaked: dict[str, set[int]] = {}
    for i in seen.tolist():
        leaked.setdefault(faces.identities[i], set()).add(i)
    images: dict[str, Tensor] = {}
    for row, i in enumerate(index.tolist()):
        images.setdefault(faces.identities[i], found[row].detach().cpu().float().clamp(0, 1))
    return Stimuli(str(cell), leaked, images)


@dataclass(frozen=True)
class Photographs:
    """One photograph of everybody who may stand in a line-up.

    Args:
        pool: names and likeness.
        images: (N, 3, H, W) in [0, 1].
        position: identity -> row.
        matched: how likeness was told, in words.
    """

    pool: Pool
    images: Tensor
    position: dict[str, int]
    matched: str


def photographs(session: Session, cells: Sequence[Cell], leaked: dict[str, set[int]], seed: int) -> Photographs:
    """A photograph of each person of ``POOLS`` that leaked in no cell, drawn by a hash.

    Raises:
        DataError: there is nobody.
    """
    chosen: list[tuple[FaceSet, int]] = []
    for name in POOLS:
        faces = session.faces(name)
        mine: dict[str, list[int]] = {}
        for i, who in enumerate(faces.identities):
            if name != "victims" or i not in leaked.get(who, ()):
                mine.setdefault(who, []).append(i)
        chosen += [(faces, min(rows, key=lambda i: stable_hash(seed, faces.samples[i]))) for rows in mine.values()]
    if not chosen:
        raise DataError("Every photograph leaked; line-ups need another one of each person. Lower leaks_per_identity.")
    samples = [faces.samples[i] for faces, i in chosen]
    people = [faces.identities[i] for faces, i in chosen]
    alike, matched = _alike(session, cells, chosen)
    images = torch.cat([faces.images(torch.tensor([i])) for faces, i in chosen])
    return Photographs(Pool(samples, people, alike), images, {who: i for i, who in enumerate(people)}, matched)


def _alike(session: Session, cells: Sequence[Cell], chosen: Sequence[tuple[FaceSet, int]]) -> tuple[np.ndarray, str]:
    """By how many attributes agree, where the data set knows any; else the quarter whom an independent judge finds most
    alike, so that no network alone decides who stands beside the person."""
    known = [session.faces(name).attributes for name in POOLS]
    if all(known):
        rows = {name: part for name, part in zip(POOLS, known, strict=True) if part}
        names = list(next(iter(rows.values())).labels)
        table = np.array([[int(rows[faces.name].labels[name][i]) for name in names] for faces, i in chosen])
        return (table[:, None] == table[None]).sum(2), f"{len(names)} attributes of the photographs"
    target = cells[0].target
    alias = target.judges[0] if target.judges else target.recognizer
    z = np.stack([session.embeddings(alias, faces.name)[i].numpy() for faces, i in chosen])
    cosine = z @ z.T
    return cosine >= np.quantile(cosine, 0.75, axis=1, keepdims=True), f"the most alike quarter by {alias}"
