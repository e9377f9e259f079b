"""One run's shared state: what cells have in common is made once, by the makers of ``prepare``.

Where a track lets a seed move splits or recognisers, each seed has a session of its own (``Session.of``), which shares
with the others whatever is equal by its recipe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ...datasets.base import FaceDataset
from ...defenses.base import Defense
from ..core.disclosed import strip_disclosed
from ..core.faces import FaceSet
from ..core.leaks import Leak, leak_cat
from ..core.progress import Progress
from ..core.secrets import SecretSource
from ..core.surfaces import Surface
from ..core.threat import DefenseKnowledge
from ..isolation.fingerprints import check_judges, fingerprint
from ..isolation.learning import Workplace
from ..isolation.processes import Processes
from ..isolation.roots import SecretRoot, secret_root
from ..metrics.pairs import Pairs
from ..plan.cells import make_defense
from ..plan.track import DefenseSpec, TargetSpec, Track
from ..recognizers.base import Recognizer
from ..store.recipe import Recipe
from ..store.store import Store
from .embeddings import Embeddings
from .faces import Faces
from .overlap import Likeness
from .recognizers import Recognizers
from .systems import Systems

_BATCH = 256


@dataclass
class _Shared:
    """What the sessions of all seeds of a run have in common."""

    seeds: dict[int, Session]
    processes: Processes | None = None


class Session:
    """One run's shared state, as seed 0 has it; ``of`` gives that of another seed.

    Args:
        track: what is run.
        store: where artefacts are kept.
        device: where networks run.
        progress: where progress goes.
    """

    def __init__(self, track: Track, store: Store, device: torch.device, progress: Progress) -> None:
        self.track, self.store, self.device, self.progress = track, store, device, progress
        self.seed, self._shared = 0, _Shared({0: self})
        protocol = track.protocol
        self.in_process = os.environ.get("FACELEAK_IN_PROCESS") == "1"  # plug-ins work here, for debugging
        self.out: Path | None = None  # run folder, where there is one: closed to plug-ins
        self.root: SecretRoot = secret_root(store.root, progress.say)
        self.pictures = Faces(track, store, progress)
        self.recognizers = Recognizers(track.recognizers, self.pictures, store, device, progress)
        if track.splits.overlap and track.splits.overlap.recognizer:
            self.pictures.likeness = Likeness(track.splits.overlap, self.recognizers, store, device, progress)
        self.systems = Systems(
            self.pictures,
            self.recognizers,
            protocol.protectors,
            protocol.resolution,
            store,
            device,
            progress,
            self.root,
            self._workplace,
        )
        self._embedded = Embeddings(self.recognizers, self.systems, store, device, progress)
        self._leaking: Hashable = None
        self._leaks: dict[Hashable, Leak] = {}

    def of(self, seed: int) -> Session:
        """The session of a seed: this one for all of them, unless the track lets a seed move something."""
        seeds = self._shared.seeds
        if not self.track.protocol.seed_moves:
            return self
        if seed not in seeds:
            seeds[seed] = seeds[0]._moved(seed)
        return seeds[seed]

    def _moved(self, seed: int) -> Session:
        """A session for ``seed``, from that of seed 0."""
        moves, other = self.track.protocol.seed_moves, copy(self)
        other.seed = seed
        other.pictures = self.pictures.redrawn(seed) if "splits" in moves else self.pictures
        other.recognizers = self.recognizers.learning(other.pictures, seed if "recognizers" in moves else 0)
        other.systems = self.systems.on(other.pictures, other.recognizers)
        other._embedded = self._embedded.on(other.recognizers, other.systems)
        other._leaking, other._leaks = None, {}
        return other

    @property
    def dataset(self) -> FaceDataset:
        """The data set, decoded and mapped."""
        return self.pictures.dataset

    @property
    def splits(self) -> pd.DataFrame:
        """The rows in use with their split."""
        return self.pictures.splits

    def faces(self, split: str) -> FaceSet:
        """The images of one split."""
        return self.pictures.of(split)

    def official_pairs(self) -> tuple[FaceSet, Pairs] | None:
        """The set's own verification pairs with their images, unless something was trained on the set."""
        wanted = self.track.protocol.official_pairs and not self.pictures.trained_on_own
        return self.pictures.official_pairs() if wanted else None

    def recognizer(self, alias: str) -> Recognizer:
        """A recogniser, trained or loaded, frozen."""
        return self.recognizers.get(alias)

    def defense(self, spec: DefenseSpec, alias: str, seed: int) -> Defense:
        """A defence fitted on a recogniser and the train split."""
        return self.systems.fitted(make_defense(spec), alias, seed)

    def undefended(self, alias: str) -> Defense:
        """The recogniser without a defence."""
        return self.defense(DefenseSpec(name="none", label="none (reference)"), alias, 0)

    @property
    def closed(self) -> tuple[str, ...]:
        """Folders that are no plug-in's to read: the store, the run folder, the data."""
        sets = (self.track.dataset, *self.track.datasets.values())
        places = [str(value) for one in sets for value in one.settings.values() if _is_place(value)]
        return (str(self.store.root), str(self.out or ""), *places)

    def _workplace(self) -> Workplace | None:
        return None if self.in_process else Workplace(self.processes, self.closed, self.progress.say)

    @property
    def processes(self) -> Processes:
        """Where attacks run, and defences learn."""
        if self._shared.processes is None:
            self._shared.processes = Processes(self.device)
        return self._shared.processes

    @processes.setter
    def processes(self, processes: Processes) -> None:
        self._shared.processes = processes

    def close(self) -> None:
        """End what runs beside this process."""
        if self._shared.processes is not None:
            self._shared.processes.close()
            self._shared.processes = None

    def check_judges(self, target: TargetSpec) -> None:
        """Refuse a result that something other than the run's recognisers judges.

        Raises:
            ContractError: names those whose weights are not those that they were built with.
        """
        used = (target.recognizer, *target.judges)
        now = {alias: fingerprint(self.recognizer(alias)) for alias in used}
        check_judges({alias: self.recognizers.fingerprint(alias) for alias in used}, now)

    def installation(self, seed: int, key: int = 0) -> SecretSource:
        """The deployed system's secrets; another ``key`` is a re-issued deployment secret."""
        return self.root.installation(seed, key)

    def secrets_of(self, defense: Defense) -> str | None:
        """What a result that depends on the secrets of ``defense`` names them by; None where it draws none."""
        return self.root.fingerprint if defense.secrets else None

    def embeddings(self, alias: str, split: str) -> Tensor:
        """(N, D) undefended embeddings of a split."""
        return self._embedded.of(self.undefended(alias), alias, self.faces(split), SecretSource.installation(0))

    def embeddings_recipe(self, alias: str, split: str) -> Recipe:
        """What ``embeddings`` are made from."""
        plain = make_defense(DefenseSpec(name="none"))
        return self._embedded.recipe(plain, alias, self.faces(split), SecretSource.installation(0))

    def pipeline_embeddings(self, alias: str) -> Callable[[Defense, FaceSet, SecretSource], Tensor]:
        """A function (system, faces, secrets) -> (N, D): embeddings computed once and kept on disk."""
        return lambda system, faces, source: self._embedded.of(system, alias, faces, source)

    def fresh_embeddings(
        self, system: Defense, alias: str, faces: FaceSet, source: SecretSource, presentation: int
    ) -> Tensor:
        """(N, D) embeddings of a pipeline that is randomised before the embedding, kept on disk."""
        return self._embedded.fresh(system, alias, faces, source, presentation)

    @torch.no_grad()
    def leak(
        self, defense: Defense, alias: str, surface: Surface, faces: FaceSet, index: Tensor, presentation: Tensor,
        source: SecretSource, knowledge: DefenseKnowledge = DefenseKnowledge.K0,
    ) -> Leak:  # fmt: skip
        """What the deployed system leaks of the images at ``index``, each at its own ``presentation``."""
        parts = []
        for where in torch.arange(len(index)).split(_BATCH):
            shown = index[where]
            draw = source.draw(faces.ids[shown], presentation[where], faces.people[shown])
            if surface is Surface.TEMPLATE and defense.embedding_fixed:
                z = self.pipeline_embeddings(alias)(defense, faces, source)[shown].to(self.device)
                part = defense.enroll_checked(z, draw)
            else:
                part = defense.leak(faces.images(shown).to(self.device), surface, draw)
            parts.append(strip_disclosed(defense, surface, knowledge, part, draw))
        return leak_cat(parts)

    def leaked_once(self, system: Hashable, what: Hashable, make: Callable[[], Leak]) -> Leak:
        """A leak of the system asked for last: its cells follow each other, and all attack the same leak."""
        if system != self._leaking:
            self._leaking, self._leaks = system, {}
        if what not in self._leaks:
            self._leaks[what] = make()
        return self._leaks[what]

    def recognizer_recipe(self, alias: str) -> Recipe | None:
        """What a recogniser is made from; None for no recogniser (no surrogate)."""
        return self.recognizers.recipe(alias) if alias else None

    def describe_data(self) -> Mapping[str, Any]:
        """For the manifest."""
        return self.pictures.describe()


def _is_place(value: object) -> bool:
    return isinstance(value, str | Path) and bool(str(value)) and Path(value).exists()
