"""Two pictures of one person, drawn anew at every step: what a loss on relations learns from."""

from __future__ import annotations

import torch
from torch import Tensor

from .faces import FaceSet
from .seeding import Rng, presentation_ids


class Couples:
    """Two pictures of each of some people: relations need positives, and a batch of any pictures holds few."""

    def __init__(self, faces: FaceSet, rng: Rng) -> None:
        self.rng = rng
        self.rows = faces.labels.argsort(stable=True)  # the pictures of person 0, of person 1, ...
        self.counts = torch.bincount(faces.labels, minlength=faces.n_identities)
        self.starts = self.counts.cumsum(0) - self.counts

    def draw(self, persons: Tensor, presentation: int) -> Tensor:
        """(B,) identity numbers -> (2 B,) positions: a first picture of each, then a second, another where there is."""
        count, start = self.counts[persons], self.starts[persons]
        u = self.rng.uniform(presentation_ids(persons, presentation), (2,))
        first = (u[:, 0] * count).long()
        step = 1 + (u[:, 1] * (count - 1)).long()
        return self.rows[torch.cat([start + first, start + (first + step) % count])]
