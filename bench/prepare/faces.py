"""The pictures of a run: the data set, decoded and mapped, its splits and its own verification pairs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...datasets.base import FaceDataset, LoadContext
from ...datasets.splits import face_set, make_splits
from ..core.code import code_of
from ..core.errors import DataError
from ..core.faces import FaceSet, resize
from ..core.progress import Progress
from ..core.registry import DATASETS
from ..metrics.pairs import Pairs
from ..store.recipe import Recipe
from ..store.store import Store

if TYPE_CHECKING:
    from ..plan.track import Named, SplitsSpec

_BATCH = 512


class Faces:
    """The data set of a track.

    Args:
        spec: which data set.
        splits: how it is cut.
        store: where decoded pixels are kept.
        progress: where progress goes.
    """

    def __init__(self, spec: Named, splits: SplitsSpec, store: Store, progress: Progress) -> None:
        self._spec, self._cut, self._store, self._progress = spec, splits, store, progress
        self._sets: dict[str, FaceSet] = {}
        self._means: dict[tuple[str, int], Tensor] = {}

    @cached_property
    def dataset(self) -> FaceDataset:
        """The data set, decoded and mapped."""
        dataset: FaceDataset = DATASETS.get(self._spec.name)(self._spec.settings)
        return dataset.load(LoadContext(self._store.get, self._progress))

    @cached_property
    def splits(self) -> pd.DataFrame:
        """The rows in use with their split."""
        return make_splits(self.dataset, self._cut.by_name(), self._cut.seed, self._cut.on_duplicate)

    @property
    def has_train(self) -> bool:
        """Whether anything may be trained on the set."""
        return self._cut.train is not None

    def of(self, split: str) -> FaceSet:
        """The images of one split."""
        if split not in self._sets:
            self._sets[split] = face_set(self.dataset, self.splits, split)
        return self._sets[split]

    def mean(self, split: str, side: int) -> Tensor:
        """(3, side, side) the mean of the pictures of a split; no picture is kept."""
        if (split, side) not in self._means:
            faces = self.of(split)
            parts = [resize(faces.images(part), side).sum(0) for part in torch.arange(len(faces)).split(_BATCH)]
            self._means[split, side] = torch.stack(parts).sum(0) / len(faces)
        return self._means[split, side]

    def train_split(self, alias: str) -> FaceSet:
        """What recogniser ``alias`` is trained on.

        Raises:
            DataError: there is no train split.
        """
        if not self.has_train:
            raise DataError(
                f"Recognizer {alias!r} must be trained, but the track has no train split; add [splits.train]."
            )
        return self.of("train")

    @cached_property
    def recipe(self) -> Recipe:
        """What every picture of the run is made from: the data set and how it is cut."""
        of = {"pictures": self.dataset.sha, "known": self.dataset.knows(), "splits": self._cut.model_dump()}
        return Recipe("faces", of, code_of(type(self.dataset), __name__))

    def official_pairs(self) -> tuple[FaceSet, Pairs] | None:
        """The set's own verification pairs with their images, where it has them."""
        table = self.dataset.pairs()
        if table is None:
            return None
        if "pairs" not in self._sets:
            names = pd.unique(pd.concat([table["a"], table["b"]]))
            rows = self.dataset.table.reset_index(names="row").set_index("sample").loc[names].reset_index()
            self._sets["pairs"] = face_set(self.dataset, rows.assign(split="pairs"), "pairs")
        faces = self._sets["pairs"]
        place = {name: i for i, name in enumerate(faces.samples)}
        first, second = (np.array([place[name] for name in table[side]], np.int64) for side in ("a", "b"))
        return faces, Pairs(first, second, table["same"].to_numpy(bool, copy=True), table["fold"].to_numpy(copy=True))

    def describe(self) -> Mapping[str, Any]:
        """For the manifest."""
        counts = {
            name: {"images": len(part), "identities": int(part["identity"].nunique())}
            for name, part in self.splits.groupby("split")
        }
        return {
            "images": len(self.dataset.table),
            "identities": int(self.dataset.table["identity"].nunique()),
            "corrupt": len(self.dataset.corrupt),
            "inventory": self.dataset.inventory.summary(),
            "sha256": self.dataset.sha,
            "licence": self.dataset.licence or getattr(self.dataset.settings, "licence", ""),
            "splits": counts,
        }
