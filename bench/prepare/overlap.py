"""People of one data set who stand in another under another name, or under none: found by a recogniser, and kept apart.

Names and hashes find the same entry twice; another photograph of the same person they do not find. Who is alike is left
out of the side that learns, never of the side that is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.code import code_of
from ..core.errors import DataError
from ..core.faces import FaceSet
from ..core.progress import Progress
from ..store.recipe import Recipe
from ..store.store import Store

if TYPE_CHECKING:
    from ..plan.schema import OverlapSpec
    from .recognizers import Recognizers

_BATCH = 128
_ROWS = 4096  # people compared at once


@dataclass(frozen=True)
class Alike:
    """What came of comparing the people of one part of a run with those of another.

    Args:
        part: whose people may have to go.
        other: whose stay.
        recognizer: who measured.
        cosine: of the mean embeddings of two people: alike from here on.
        people: of ``part``, before.
        compared_with: people of ``other``.
        alike: people of ``part`` with somebody alike in ``other``; they are left out.
        highest_kept: the largest cosine among the others; what is left is below it.
    """

    part: str
    other: str
    recognizer: str
    cosine: float
    people: int
    compared_with: int
    alike: int
    highest_kept: float

    def told(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)


class Likeness:
    """Mean embeddings of people by a recogniser of the track, kept on disk.

    Args:
        spec: who measures, and from which cosine on two are one.
        recognizers: of the run.
        store: where embeddings are kept.
        device: where to work.
        progress: where progress goes.
    """

    def __init__(
        self, spec: OverlapSpec, recognizers: Recognizers, store: Store, device: torch.device, progress: Progress
    ) -> None:
        self.spec = spec
        self._recognizers, self._store, self._device, self._progress = recognizers, store, device, progress

    @property
    def recipe(self) -> Recipe:
        """What its judgements are made from."""
        of = {"recognizer": self._recognizers.recipe(self.spec.recognizer), "cosine": self.spec.cosine}
        return Recipe("likeness", of, code_of(__name__))

    def people(self, faces: FaceSet) -> Tensor:
        """(n_identities, D) of unit norm: the mean of each person's embeddings."""
        recipe = Recipe("people", {"by": self.recipe, "faces": faces.sha}, code_of(__name__))
        return self._store.tensors(recipe, lambda: {"z": self._means(faces)})["z"]

    def _means(self, faces: FaceSet) -> Tensor:
        recognizer = self._recognizers.get(self.spec.recognizer)
        parts = torch.arange(len(faces)).split(_BATCH)
        title = f"who is alike: {faces.name}"
        z = torch.cat([
            recognizer.embed(faces.images(part).to(self._device)).cpu()
            for part in self._progress.track(parts, len(parts), title)
        ])  # fmt: skip
        sums = torch.zeros(faces.n_identities, z.shape[1]).index_add_(0, faces.labels, z.float())
        return F.normalize(sums, dim=1)

    def compare(self, faces: FaceSet, others: Sequence[FaceSet]) -> tuple[set[str], list[Alike]]:
        """Identities of ``faces`` with somebody alike in one of ``others``, and an account for each of these.

        Raises:
            DataError: somebody is alike, where the track refuses that.
        """
        names = list(dict.fromkeys(faces.identities))  # as ``faces.labels`` counts them
        gone: set[str] = set()
        told = []
        for other in others:
            best = nearest(self.people(faces), self.people(other))
            alike = best >= self.spec.cosine
            if alike.any() and self.spec.on_overlap == "refuse":
                raise DataError(self._refusal(faces, other, best))
            gone |= {name for name, one in zip(names, alike, strict=True) if one}
            highest = float(best[~alike].max()) if not alike.all() else float("nan")
            told.append(Alike(faces.name, other.name, self.spec.recognizer, self.spec.cosine, len(names),
                              other.n_identities, int(alike.sum()), highest))  # fmt: skip
        return gone, told

    def _refusal(self, faces: FaceSet, other: FaceSet, best: np.ndarray) -> str:
        count = int((best >= self.spec.cosine).sum())
        return (
            f"{count} of {len(best)} people of {faces.name} look like somebody of {other.name} to "
            f"{self.spec.recognizer!r} (cosine {self.spec.cosine} or more, {best.max():.3f} at most); set "
            "splits.overlap.on_overlap = 'drop' to leave them out, or raise splits.overlap.cosine if they are others."
        )


def nearest(some: Tensor, others: Tensor) -> np.ndarray:
    """(n,) cosine of each of (n, D) ``some`` with the nearest of (m, D) ``others``, all of unit norm."""
    return torch.cat([(part @ others.T).max(1).values for part in some.split(_ROWS)]).numpy()


def caveat(told: Iterable[Alike], spec: OverlapSpec | None) -> list[str]:
    """What must be printed with every result of several data sets."""
    if spec is not None and not spec.recognizer:
        return [
            "Data sets: nobody measured whether people of one stand in another; names and pictures alone were compared."
        ]
    return [
        f"Data sets: to {one.recognizer}, {one.alike} of {one.people} people of {one.part} looked like one of "
        f"{one.other} (cosine {one.cosine:g} or more) and were left out; the nearest that stayed has "
        f"{one.highest_kept:.2f}."
        for one in told
    ]


def summary(told: Iterable[Alike]) -> list[Mapping[str, Any]]:
    """For the manifest."""
    return [one.told() for one in told]
