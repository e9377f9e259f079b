"""The recognisers of a run: trained once on the train split and kept, or read from their own files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..core.code import code_of
from ..core.faces import FaceSet
from ..core.progress import Progress
from ..core.registry import RECOGNIZERS
from ..core.seeding import Rng
from ..isolation.fingerprints import fingerprint
from ..recognizers.base import BuildContext, Recognizer
from ..store.recipe import Recipe
from ..store.store import Store
from .faces import Faces

if TYPE_CHECKING:
    from ..plan.track import RecognizerSpec


class Recognizers:
    """Recognisers by their names in the track.

    Args:
        specs: which type, with which settings.
        faces: for those that are trained here.
        store: where their weights are kept.
        device: where they run.
        progress: where progress goes.
    """

    def __init__(
        self, specs: Mapping[str, RecognizerSpec], faces: Faces, store: Store, device: torch.device, progress: Progress
    ) -> None:
        self.specs, self._faces, self._store = specs, faces, store
        self._device, self._progress = device, progress
        self._seed = 0
        self._built: dict[tuple[str, str], Recognizer] = {}  # by alias and recipe: seeds share what is the same
        self._recipes: dict[str, Recipe] = {}
        self._fingerprints: dict[tuple[str, str], str] = {}  # of those that are built, as they were then

    def learning(self, faces: Faces, seed: int) -> Recognizers:
        """The same recognisers; those that are trained here learn from ``faces``, and begin as ``seed`` says."""
        other = copy(self)
        other._faces, other._seed, other._recipes = faces, seed, {}
        return other

    def trained_here(self, alias: str) -> bool:
        """Whether its weights come from the train split."""
        spec = self.specs[alias]
        return bool(RECOGNIZERS.get(spec.type)(spec.settings).needs_training)

    def is_made(self, alias: str) -> bool:
        """Whether it need not be trained any more."""
        return not self.trained_here(alias) or self._store.has(self.recipe(alias))

    def recipe(self, alias: str) -> Recipe:
        """What a recogniser is made from, without building it."""
        if alias not in self._recipes:
            spec = self.specs[alias]
            recognizer: Recognizer = RECOGNIZERS.get(spec.type)(spec.settings)
            faces = self._faces.train_split(alias) if recognizer.needs_training else None
            self._recipes[alias] = self.made_from(recognizer, alias, faces)
        return self._recipes[alias]

    def made_from(
        self, recognizer: Recognizer, alias: str, faces: FaceSet | None, more: Mapping[str, Any] | None = None
    ) -> Recipe:
        """The recipe of a recogniser of any kind.

        Args:
            recognizer: not built yet.
            alias: first weights and order of the pictures of a training follow it.
            faces: what it learns from; None where it brings its own weights.
            more: what else it is made from.
        """
        of = {"recognizer": recognizer.describe(), **(more or {})}
        if faces is not None:
            of |= {"faces": faces.sha, "alias": alias} | ({"seed": self._seed} if self._seed else {})
        return Recipe("recognizer", of, code_of(__name__))

    def get(self, alias: str) -> Recognizer:
        """A recogniser, trained or loaded, frozen."""
        made = self._made(alias)
        if made not in self._built:
            spec = self.specs[alias]
            recognizer: Recognizer = RECOGNIZERS.get(spec.type)(spec.settings)
            recognizer.alias = alias
            if recognizer.needs_training:
                self.trained(recognizer, alias, self.recipe(alias), lambda: self._faces.train_split(alias))
            else:
                recognizer.build(self._building(None, alias))
            self._built[made] = recognizer
            self._fingerprints[made] = fingerprint(recognizer)
        return self._built[made]

    def fingerprint(self, alias: str) -> str:
        """Of one that is built: its weights as they were then."""
        return self._fingerprints[self._made(alias)]

    def _made(self, alias: str) -> tuple[str, str]:
        return alias, self.recipe(alias).key

    def trained(self, recognizer: Recognizer, alias: str, recipe: Recipe, faces: Callable[[], FaceSet]) -> Recognizer:
        """``recognizer`` with the weights that a training on ``faces()`` gives it, made once and kept.

        Args:
            recognizer: not built yet.
            alias: of the track; first weights and order of the pictures follow it.
            recipe: what it is made from.
            faces: what it learns from; asked for only if it must be trained.
        """

        def build(folder: Path) -> None:
            self._progress.say(f"Training recogniser {recognizer.alias}")
            recognizer.build(self._building(faces(), alias)).save(folder / "weights.safetensors")

        folder = self._store.make(recipe, build)
        return recognizer.load(folder / "weights.safetensors", self._building(None, alias))

    def _building(self, faces: FaceSet | None, alias: str) -> BuildContext:
        return BuildContext(faces, Rng(self._seed, "recognizer", alias), self._device, self._progress)
