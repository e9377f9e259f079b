"""The pictures of a run: its data sets, decoded and mapped, their splits and the pairs on which systems are tested."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...datasets.base import FaceDataset, LoadContext
from ...datasets.splits import face_set, make_splits, person_of
from ..core.code import code_of
from ..core.errors import DataError
from ..core.faces import FaceSet, resize
from ..core.progress import Progress
from ..core.registry import DATASETS
from ..core.seeding import stable_hash
from ..metrics.pairs import Pairs
from ..store.recipe import Recipe
from ..store.store import Store
from .crowd import CROWD, crowd_of
from .overlap import Alike, Likeness, caveat, summary

if TYPE_CHECKING:
    from ..plan.schema import Named, TestSpec, Track

_BATCH = 512
_KEPT_FIRST = ("victims", "calibration", "public", "train")  # who is alike leaves the later one


class Faces:
    """The data sets of a track.

    Args:
        track: says which, how they are cut, and what tests.
        store: where decoded pixels are kept.
        progress: where progress goes.
    """

    likeness: Likeness | None = None  # who measures whether data sets share people; set before a split is asked for

    def __init__(self, track: Track, store: Store, progress: Progress) -> None:
        self._spec, self._cut, self._store, self._progress = track.dataset, track.splits, store, progress
        self._named, self._tests = track.used_datasets(), {test.title: test for test in track.tests}
        self._official, self._gallery = track.protocol.official_pairs, track.gallery
        self._loaded: dict[str, FaceDataset] = {}  # "" is the track's own
        self._sets: dict[str, FaceSet] = {}
        self._means: dict[tuple[str, int], Tensor] = {}
        self.alike: list[Alike] = []

    def redrawn(self, seed: int) -> Faces:
        """The same data sets, decoded once for both, in splits of other people: what the run's ``seed`` draws.

        Identities are taken in an order that follows (splits.seed, ``seed``).
        """
        other = copy(self)
        other._cut = self._cut.model_copy(update={"seed": stable_hash(self._cut.seed, "splits of seed", seed)})
        other._sets, other._means, other.alike = {}, {}, []
        for made in ("splits", "recipe", "crowd"):
            vars(other).pop(made, None)
        return other

    @property
    def dataset(self) -> FaceDataset:
        """The track's own data set, which is the victims': decoded and mapped."""
        return self.other("")

    def _load(self, spec: Named) -> FaceDataset:
        dataset: FaceDataset = DATASETS.get(spec.name)(spec.settings)
        return dataset.load(LoadContext(self._store.get, self._progress))

    def other(self, name: str) -> FaceDataset:
        """A further data set by its name in the track; the track's own for an empty one."""
        if name not in self._loaded:
            self._loaded[name] = self._load(self._named[name] if name else self._spec)
        return self._loaded[name]

    def source(self, split: str) -> FaceDataset:
        """The data set that a split is of."""
        return self.other(self._cut.by_name()[split].dataset)

    @cached_property
    def splits(self) -> pd.DataFrame:
        """The rows in use with their split."""
        cut = self._cut.by_name()
        names = dict.fromkeys(spec.dataset for spec in cut.values() if spec.dataset)
        others = {name: self.other(name) for name in names} or None
        splits = make_splits(self.dataset, cut, self._cut.seed, self._cut.on_duplicate, others)
        return self._apart(self._untested(splits)) if others or self._tests else splits

    def _untested(self, splits: pd.DataFrame) -> pd.DataFrame:
        """Without what is trained on and stands in a set that tests, by picture or by name.

        Raises:
            DataError: there is such a picture, where the track refuses that.
        """
        shas: set[str] = set()
        people: set[str] = set()
        for faces, dataset in self._tested():
            shas |= set(dataset.table.set_index("sample")["sha"].loc[faces.samples])
            people |= set(map(person_of, faces.identities)) if dataset.named else set()
        twice = (splits["split"] == "train") & splits["sha"].isin(shas)
        if self.has_train and self.source("train").named:
            bare = splits["identity"].str.split("/").str[-1].map(person_of)
            twice |= (splits["split"] == "train") & bare.isin(people - {""})
        if twice.any() and self._cut.on_duplicate == "refuse":
            raise DataError(
                f"{int(twice.sum())} pictures of the train split, or their people by name, stand in a set that tests "
                f"(first: {splits.loc[twice, 'sample'].iloc[0]}); remove them, or set splits.on_duplicate = 'drop'."
            )
        return splits[~twice].reset_index(drop=True)

    def _tested(self) -> list[tuple[FaceSet, FaceDataset]]:
        """Whatever pictures test what is trained here."""
        if not self.has_train:
            return []
        found = [(self.test(title)[0], self.other(test.dataset)) for title, test in self._tests.items()]
        own = self.official_pairs() if self._official and not self.trained_on_own else None
        return [*found, *([(own[0], self.dataset)] if own else [])]

    def _apart(self, splits: pd.DataFrame) -> pd.DataFrame:
        """Without people who look like somebody whom they must not be; says so."""
        if self.likeness is None:
            return splits
        cut = self._cut.by_name()
        kept: list[tuple[str, FaceSet]] = []
        for name in (one for one in _KEPT_FIRST if one in cut):
            faces = face_set(self.source(name), splits, name)
            others = [other for dataset, other in kept if dataset != cut[name].dataset]
            if name == "train":
                others += [tested for tested, _ in self._tested()]
            gone, told = self.likeness.compare(faces, others)
            self.alike += told
            splits = splits[~((splits["split"] == name) & splits["identity"].isin(gone))]
            if not (splits["split"] == name).any():
                raise DataError(
                    f"Everybody of split {name!r} looks like somebody of another data set; take another set."
                )
            kept.append((cut[name].dataset, face_set(self.source(name), splits, name)))
        for text in caveat(self.alike, self._cut.overlap):
            self._progress.say(text)
        return splits.reset_index(drop=True)

    @property
    def has_train(self) -> bool:
        """Whether anything may be trained on a data set."""
        return self._cut.train is not None

    @property
    def trained_on_own(self) -> bool:
        """Whether anything may be trained on the track's own set, whose pairs then test nothing."""
        return self._cut.train is not None and not self._cut.train.dataset

    def of(self, split: str) -> FaceSet:
        """The images of one split, or of the gallery's further people."""
        if split == CROWD:
            return self.crowd
        if split not in self._sets:
            self._sets[split] = face_set(self.source(split), self.splits, split)
        return self._sets[split]

    @cached_property
    def crowd(self) -> FaceSet:
        """The gallery's further people, a picture each, as many as the largest gallery asks for.

        Raises:
            DataError: there are fewer.
        """
        assert self._gallery is not None, "the track asks for no distractors"
        spec, others = self._gallery.distractors, [self.of("victims"), self.of("calibration")]
        faces, told = crowd_of(
            self.other(spec.dataset), self.splits, self._cut.seed, spec.sizes[-1], others, self.likeness
        )
        self.alike += told
        return faces

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
        """What every picture of the run is made from: the data sets, how they are cut, and who told people apart."""
        of: dict[str, Any] = {
            "pictures": self.dataset.sha, "known": self.dataset.knows(), "splits": self._cut.model_dump(),
        }  # fmt: skip
        kinds = [type(self.dataset)]
        for name in dict.fromkeys(spec.dataset for spec in self._cut.by_name().values() if spec.dataset):
            other = self.other(name)
            of[f"pictures of {name}"] = [other.sha, other.knows()]
            kinds.append(type(other))
        if self.likeness is not None:
            of["likeness"] = self.likeness.recipe
        return Recipe("faces", of, code_of(*kinds, __name__))

    def tests_recipe(self) -> dict[str, Any]:
        """What the tests of systems are made from, besides the systems."""
        return {title: [self.test(title)[0].sha, test.flip] for title, test in self._tests.items()}

    def gallery_recipe(self) -> dict[str, Any]:
        """What searches among further people are made from, besides the victims."""
        assert self._gallery is not None, "the track asks for no distractors"
        return {"people": self.crowd.sha, **self._gallery.distractors.model_dump(include={"sizes", "fpirs"})}

    @property
    def tests(self) -> Mapping[str, TestSpec]:
        """The sets of pairs on which systems are tested, by title."""
        return self._tests

    def test(self, title: str) -> tuple[FaceSet, Pairs]:
        """The pairs of a test with their images.

        Raises:
            DataError: its data set has no pairs.
        """
        found = self._pairs_of(self._tests[title].dataset, f"test:{title}")
        if found is None:
            raise DataError(
                f"Test {title!r}: the data set {self._tests[title].dataset!r} has no pairs; give it a pairs list "
                "(`settings = { pairs = ... }`), or use a .bin file."
            )
        return found

    def official_pairs(self) -> tuple[FaceSet, Pairs] | None:
        """The own set's verification pairs with their images, where it has them."""
        return self._pairs_of("", "pairs")

    def _pairs_of(self, name: str, title: str) -> tuple[FaceSet, Pairs] | None:
        dataset = self.other(name)
        table = dataset.pairs()
        if table is None:
            return None
        if title not in self._sets:
            names = pd.unique(pd.concat([table["a"], table["b"]]))
            rows = dataset.table.reset_index(names="row").set_index("sample").loc[names].reset_index()
            self._sets[title] = face_set(dataset, rows.assign(split=title), title)
        faces = self._sets[title]
        place = {name: i for i, name in enumerate(faces.samples)}
        first, second = (np.array([place[name] for name in table[side]], np.int64) for side in ("a", "b"))
        return faces, Pairs(first, second, table["same"].to_numpy(bool, copy=True), table["fold"].to_numpy(copy=True))

    def describe(self) -> Mapping[str, Any]:
        """For the manifest: the track's own set."""
        return _described(self.dataset, self.splits, [n for n, spec in self._cut.by_name().items() if not spec.dataset])

    def describe_others(self) -> dict[str, Any]:
        """For the manifest: further sets by name."""
        cut = self._cut.by_name()
        return {
            name: _described(self.other(name), self.splits, [split for split in cut if cut[split].dataset == name])
            for name in self._named
        }

    def apart(self) -> dict[str, Any]:
        """For the manifest: how people of several sets were kept apart; nothing where there is one set."""
        return {"overlap": summary(self.alike)} if self.alike else {}

    def caveats(self) -> list[str]:
        """What must be printed with every result."""
        sets = [self.dataset, *(self.other(name) for name in self._named)]
        return [*dict.fromkeys(text for one in sets for text in one.caveats), *caveat(self.alike, self._cut.overlap)]


def _described(dataset: FaceDataset, splits: pd.DataFrame, mine: list[str]) -> dict[str, Any]:
    counts = {
        name: {"images": len(part), "identities": int(part["identity"].nunique())}
        for name, part in splits.groupby("split")
        if name in mine
    }
    return {
        "images": len(dataset.table),
        "identities": int(dataset.table["identity"].nunique()),
        "corrupt": len(dataset.corrupt),
        "inventory": dataset.inventory.summary(),
        "sha256": dataset.sha,
        "licence": dataset.licence or getattr(dataset.settings, "licence", ""),
        "splits": counts,
    }
