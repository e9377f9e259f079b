"""What the run's systems say of its pictures: embeddings computed once for all cells and kept on disk."""

from __future__ import annotations

from copy import copy

import torch
from torch import Tensor

from ...defenses.base import Defense
from ..core.code import code_of
from ..core.faces import FaceSet
from ..core.progress import Progress
from ..core.secrets import SecretSource
from ..store.recipe import Recipe
from ..store.store import Store
from .recognizers import Recognizers
from .systems import Systems

_BATCH = 256


class Embeddings:
    """Embeddings of whole face sets.

    Args:
        recognizers: whose recipe stands for systems that embed as their recogniser does.
        systems: knows what a fitted system was made from.
        store: where embeddings are kept.
        device: where to work.
        progress: where progress goes.
    """

    def __init__(
        self, recognizers: Recognizers, systems: Systems, store: Store, device: torch.device, progress: Progress
    ) -> None:
        self._recognizers, self._systems, self._store = recognizers, systems, store
        self._device, self._progress = device, progress
        self._kept: dict[str, Tensor] = {}

    def on(self, recognizers: Recognizers, systems: Systems) -> Embeddings:
        """The same of other recognisers and systems; what is equal by its recipe is computed once for both."""
        other = copy(self)
        other._recognizers, other._systems = recognizers, systems
        return other

    def of(self, system: Defense, alias: str, faces: FaceSet, source: SecretSource) -> Tensor:
        """(N, D) of a system fitted on recogniser ``alias``: those of its first presentation, kept in memory too."""
        recipe = self.recipe(system, alias, faces, source)
        if recipe.key not in self._kept:
            made = self._store.tensors(recipe, lambda: {"z": self._embed(system, faces, source, 0)})
            self._kept[recipe.key] = made["z"]
        return self._kept[recipe.key]

    def fresh(self, system: Defense, alias: str, faces: FaceSet, source: SecretSource, presentation: int) -> Tensor:
        """(N, D) of one more presentation of a system that is randomised before the embedding."""
        recipe = self.recipe(system, alias, faces, source, presentation)
        return self._store.tensors(recipe, lambda: {"z": self._embed(system, faces, source, presentation)})["z"]

    def recipe(
        self, system: Defense, alias: str, faces: FaceSet, source: SecretSource, presentation: int = 0
    ) -> Recipe:
        """What these embeddings are made from: systems that embed alike share one."""
        of = {"faces": faces.sha, "presentation": presentation}
        if system.plain_embedding:
            of["system"] = self._recognizers.recipe(alias)
        else:
            of["system"] = self._systems.recipe_of(system)
            of["secrets"] = [source.deployment.seed, *source.deployment.labels]
            if not system.embedding_fixed:
                of["sample"] = [source.sample.seed, *source.sample.labels]
        # How a picture comes to be embedded at all is the base class's business.
        return Recipe("embeddings", of, code_of(__name__, Defense))

    def _embed(self, system: Defense, faces: FaceSet, source: SecretSource, presentation: int) -> Tensor:
        def one(index: Tensor) -> Tensor:
            draw = source.draw(faces.ids[index], presentation)
            return system.embed_images(faces.images(index).to(self._device), draw).cpu()

        parts = torch.arange(len(faces)).split(_BATCH)
        z: Tensor | None = None  # filled as it comes: of a million people, parts and their sum are too much
        for part in self._progress.track(parts, len(parts), f"embedding {faces.name}"):
            found = one(part)
            if z is None:
                z = found.new_empty(len(faces), *found.shape[1:])
            z[part] = found
        assert z is not None, "even of nobody there is a part"
        return z
