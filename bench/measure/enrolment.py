"""The defended system as a verifier: a split on both sides of the comparison, and scores of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...defenses.base import Defense
from ..core.faces import FaceSet
from ..core.leaks import Leak, leak_take
from ..core.seeding import Rng
from ..prepare.session import Session

_IMPOSTORS = 200_000  # impostor pairs that are compared at most


@dataclass(frozen=True)
class Enrolled:
    """A split on both sides of the comparison."""

    faces: FaceSet
    templates: Leak
    probes: Leak


def enrolled(
    session: Session, alias: str, defense: Defense, split: str, seed: int, key: int = 0, *, flip: bool = False
) -> Enrolled:
    """Templates and probes of every image of a split; sample secrets differ between the two sides.

    With ``flip`` the embedding of a picture is the mean of it and its mirror image. (insightface adds the two before it
    normalises the sum, this adds unit vectors.)
    """
    faces, source = session.faces(split), session.installation(seed, key)

    def embedded(shown: FaceSet, presentation: int) -> Tensor:
        if defense.embedding_fixed:
            return session.pipeline_embeddings(alias)(defense, shown, source)
        return session.fresh_embeddings(defense, alias, shown, source, presentation)

    def side(presentation: int, stage: str) -> Leak:
        z = embedded(faces, presentation)
        if flip:
            z = F.normalize(z + embedded(faces.mirrored(), presentation), dim=1)
        draw = source.draw(faces.ids, presentation, faces.people)
        with torch.no_grad():
            return getattr(defense, stage)(z.to(session.device), draw)  # type: ignore[no-any-return]

    return Enrolled(faces, side(100, "enroll"), side(101, "probe"))


def impostor_pairs(faces: FaceSet, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = faces.labels.numpy()
    a, b = np.triu_indices(len(labels), 1)
    different = labels[a] != labels[b]
    a, b = a[different], b[different]
    if len(a) > _IMPOSTORS:
        chosen = np.sort(Rng(seed, "impostors").numpy().choice(len(a), _IMPOSTORS, replace=False))
        a, b = a[chosen], b[chosen]
    return a, b


def genuine_pairs(faces: FaceSet) -> tuple[np.ndarray, np.ndarray]:
    labels = faces.labels.numpy()
    a, b = np.triu_indices(len(labels), 1)
    same = labels[a] == labels[b]
    return a[same], b[same]


@torch.no_grad()
def compare_pairs(defense: Defense, both: Enrolled, a: np.ndarray, b: np.ndarray, batch: int = 50_000) -> np.ndarray:
    """Scores of template ``a`` against probe ``b``."""
    parts = []
    for start in range(0, len(a), batch):
        left, right = (torch.as_tensor(side[start : start + batch]) for side in (a, b))
        parts.append(defense.compare(leak_take(both.templates, left), leak_take(both.probes, right)).float().cpu())
    return torch.cat(parts).numpy() if parts else np.empty(0, np.float32)
