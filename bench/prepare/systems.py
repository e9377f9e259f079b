"""The defended systems of a run: each defence fitted once on a recogniser and kept, and what it was made from."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch

from ...defenses.base import Defense, overrides
from ..core.code import code_of
from ..core.context import FitContext, Weights
from ..core.progress import Progress
from ..core.seeding import Rng
from ..core.surfaces import Secret
from ..core.training import TrainLog
from ..isolation.host import Keeper
from ..isolation.learning import Workplace, learn, parts_of
from ..isolation.roots import SecretRoot
from ..store.recipe import Recipe
from ..store.store import Store, read_tensors, write_tensors
from .faces import Faces
from .recognizers import Recognizers

_LOGS, _HOW = "trainings.json", "learnt.json"  # beside the weights of a fit


class Systems:
    """Fitted defences.

    Args:
        faces: of which the train split is a defence's to learn from.
        recognizers: what defences are fitted on.
        protectors: recognisers that whoever protects pictures has at hand.
        resolution: side in pixels at which shared networks work on pictures.
        store: where fits are kept.
        device: where to work.
        progress: where progress goes.
        root: where the deployed secrets come from.
        workplace: where processes come from in which defences learn; none where they learn in this one.
    """

    def __init__(
        self,
        faces: Faces,
        recognizers: Recognizers,
        protectors: tuple[str, ...],
        resolution: int,
        store: Store,
        device: torch.device,
        progress: Progress,
        root: SecretRoot,
        workplace: Callable[[], Workplace | None] = lambda: None,
    ) -> None:
        self._faces, self._recognizers, self._protectors = faces, recognizers, protectors
        self._resolution, self._store, self._device, self._progress = resolution, store, device, progress
        self._root, self._workplace = root, workplace
        self._apart: dict[str, bool] = {}  # key -> whether the fit was learnt in a process of its own
        self._fitted: dict[str, Defense] = {}
        self._recipes: WeakKeyDictionary[Defense, Recipe] = WeakKeyDictionary()
        self._trainings: WeakKeyDictionary[Defense, dict[str, TrainLog]] = WeakKeyDictionary()

    def on(self, faces: Faces, recognizers: Recognizers) -> Systems:
        """The same for other people and recognisers; what is equal by its recipe is fitted once for both."""
        other = copy(self)
        other._faces, other._recognizers = faces, recognizers
        return other

    def recipe(self, defense: Defense, alias: str, seed: int) -> Recipe:
        """What ``defense``, fitted on recogniser ``alias``, is made from.

        A fit gets the train split, the resolution and the seed, and may do with them what it likes, so they count for
        every defence that fits anything or keeps shared networks.
        """
        of: dict[str, Any] = {"defense": defense.describe(), "recognizer": self._recognizers.recipe(alias)}
        if overrides(defense, "_fit") or overrides(defense, "_build"):
            of |= self._shared(seed)
            if Secret.DEPLOYMENT in defense.secrets:  # a server is trained for the key that is deployed
                of["key"] = self._root.fingerprint
        if defense.uses_surrogates:
            of["protectors"] = self._protectors_recipe()
        return Recipe("defense", of, code_of(__name__))

    def recipe_of(self, system: Defense) -> Recipe:
        """What a fitted system was made from; one that was fitted elsewhere is known by its weights."""
        if system not in self._recipes:
            weights = hashlib.sha256()
            for name, tensor in system.state_dict().items():
                weights.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
                weights.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
            of = {"defense": system.describe(), "recognizer": system.recognizer.describe(), "sha": weights.hexdigest()}
            self._recipes[system] = Recipe("defense", of, code_of(__name__))
        return self._recipes[system]

    def fitted(self, defense: Defense, alias: str, seed: int) -> Defense:
        """``defense`` fitted on a recogniser and the train split; an equal one that is there already, if there is."""
        recipe = self.recipe(defense, alias, seed)
        if recipe.key not in self._fitted:
            system = self._fit(defense, alias, seed, recipe)
            self._fitted[recipe.key], self._recipes[system] = system, recipe
        return self._fitted[recipe.key]

    def trainings(self, system: Defense) -> dict[str, TrainLog]:
        """How the networks of a fitted system learnt, by what was trained: as it was kept with the fit, or, of a system
        that was fitted elsewhere, as it says itself."""
        return self._trainings.get(system) or system.trainings()

    def learnt_apart(self, key: str) -> bool | None:
        """Whether what has this recipe's key learnt out of reach of the run; None where nobody has asked for it."""
        return self._apart.get(key)

    def _fit(self, defense: Defense, alias: str, seed: int, recipe: Recipe) -> Defense:
        keeper = self._keeper(defense, seed)
        context = FitContext(
            self._recognizers.get(alias), self._faces.of("train") if self._faces.has_train else None,
            Rng(seed, "defense"), self._device, self._progress,
            tuple(map(self._recognizers.get, self._protectors)) if defense.uses_surrogates else (),
            self._resolution, lambda name, depends, make: keeper(name, depends, make.__module__, make),
            self._root.installation(seed).deployment if Secret.DEPLOYMENT in defense.secrets else None,
        )  # fmt: skip
        if not overrides(defense, "_fit"):
            self._apart[recipe.key] = True
            return defense.fit(context)

        def build(folder: Path) -> None:
            found = learn(defense, context, keeper, self._workplace())
            write_tensors(folder, found.state)
            logs = {what: asdict(log) for what, log in found.logs.items()}
            (folder / _LOGS).write_text(json.dumps(logs), encoding="utf-8")
            (folder / _HOW).write_text(json.dumps({"apart": found.apart}), encoding="utf-8")

        folder = self._store.make(recipe, build)
        logs = json.loads((folder / _LOGS).read_text(encoding="utf-8"))
        self._apart[recipe.key] = bool(json.loads((folder / _HOW).read_text(encoding="utf-8"))["apart"])
        self._trainings[defense] = {what: TrainLog(**log) for what, log in logs.items()}
        return defense.fit(context, read_tensors(folder))

    def _keeper(self, defense: Defense, seed: int) -> Keeper:
        """Keeps what defences share; what somebody's plug-in makes is kept for that plug-in, or it could hand false
        weights to defences that are not its own."""
        package = __name__.split(".")[0]
        strangers = [type(one) for one in parts_of(defense) if type(one).__module__.split(".")[0] != package]

        def keep(name: str, depends: Mapping[str, Any], module: str, make: Callable[[], Weights]) -> Weights:
            of = {"name": name, **self._shared(seed), "protectors": self._protectors_recipe(), "depends": depends}
            if strangers:
                of["owner"] = [code_of(one) for one in strangers]
            code = code_of(module) if module in sys.modules else code_of(type(defense))
            return self._store.tensors(Recipe("shared", of, code), make)

        return keep

    def _shared(self, seed: int) -> dict[str, Any]:
        train = self._faces.of("train").sha if self._faces.has_train else ""
        return {"train": train, "resolution": self._resolution, "seed": seed}

    def _protectors_recipe(self) -> list[Recipe]:
        return [self._recognizers.recipe(alias) for alias in self._protectors]
