"""Everything that cells share, made once: data, splits, recognisers, defences, embeddings, thresholds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..datasets.base import FaceDataset, LoadContext
from ..datasets.splits import face_set, make_splits
from ..defenses.base import Defense, overrides
from .core.context import FitContext, Weights
from .core.errors import DataError
from .core.faces import FaceSet
from .core.leaks import Leak, leak_cat
from .core.progress import Progress
from .core.registry import DATASETS, RECOGNIZERS
from .core.secrets import SecretSource
from .core.seeding import Rng
from .core.surfaces import Surface
from .metrics.pairs import Pairs
from .plan import make_defense
from .recognizers.base import BuildContext, Recognizer
from .store import Store, digest
from .track import DefenseSpec, Track

_BATCH = 256


@cache
def _sources() -> dict[str, bytes]:
    """The package's files by path, hashed once: a run keeps the identity it started with, whatever is edited later."""
    root = Path(__file__).resolve().parent.parent
    files = (file for part in ("bench", "attacks", "defenses", "datasets") for file in (root / part).rglob("*.py"))
    return {file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).digest() for file in sorted(files)}


@cache
def code_hash(*parts: str) -> str:
    """Short sha256 of the package's files below ``parts``: a changed harness makes other cells."""
    state = hashlib.sha256()
    for part in parts:
        for name, content in _sources().items():
            if name == part or name.startswith(f"{part}/"):
                state.update(content)
    return state.hexdigest()[:12]


class Session:
    """One run's shared state.

    Args:
        track: what is run.
        store: where artefacts are kept.
        device: where networks run.
        progress: where progress goes.
    """

    def __init__(self, track: Track, store: Store, device: torch.device, progress: Progress) -> None:
        self.track, self.store, self.device, self.progress = track, store, device, progress
        self._recognizers: dict[str, Recognizer] = {}
        self._defenses: dict[tuple[str, str, int], Defense] = {}
        self._sets: dict[str, FaceSet] = {}
        self._embeddings: dict[str, Tensor] = {}
        self._leaking: Hashable = None
        self._leaks: dict[Hashable, Leak] = {}

    @cached_property
    def dataset(self) -> FaceDataset:
        """The data set, decoded and mapped."""
        spec = self.track.dataset
        dataset: FaceDataset = DATASETS.get(spec.name)(spec.settings)
        return dataset.load(LoadContext(self.store.get, self.progress))

    @cached_property
    def splits(self) -> Any:
        """The rows in use with their split (pandas)."""
        spec = self.track.splits
        return make_splits(self.dataset, spec.by_name(), spec.seed, spec.on_duplicate)

    def faces(self, split: str) -> FaceSet:
        """The images of one split."""
        if split not in self._sets:
            self._sets[split] = face_set(self.dataset, self.splits, split)
        return self._sets[split]

    def official_pairs(self) -> tuple[FaceSet, Pairs] | None:
        """The set's own verification pairs with their images, unless something was trained on the set."""
        wanted = self.track.protocol.official_pairs and self.track.splits.train is None
        table = self.dataset.pairs() if wanted else None
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

    def fingerprint(self, alias: str) -> dict[str, Any]:
        """What identifies a recogniser without building it."""
        spec = self.track.recognizers[alias]
        kind = RECOGNIZERS.get(spec.type)
        recognizer = kind(spec.settings)
        described: dict[str, Any] = recognizer.describe()
        if kind.needs_training:
            described |= {"train": self._train_split(alias).sha, "loop": code_hash("bench/core")}
        return described

    def recognizer(self, alias: str) -> Recognizer:
        """A recogniser, trained or loaded, frozen."""
        if alias not in self._recognizers:
            spec = self.track.recognizers[alias]
            recognizer: Recognizer = RECOGNIZERS.get(spec.type)(spec.settings)
            recognizer.alias = alias
            if recognizer.needs_training:
                self.trained(recognizer, alias, self.fingerprint(alias), lambda: self._train_split(alias))
            else:
                recognizer.build(self._building(None, alias))
            self._recognizers[alias] = recognizer
        return self._recognizers[alias]

    def trained(
        self, recognizer: Recognizer, alias: str, spec: Mapping[str, Any], faces: Callable[[], FaceSet]
    ) -> Recognizer:
        """``recognizer`` with the weights that a training on ``faces()`` gives it, made once and kept.

        Args:
            recognizer: not built yet.
            alias: of the track; first weights and order of the pictures follow it.
            spec: what else the training depends on.
            faces: what it learns from; asked for only if it must be trained.
        """

        def build(folder: Path) -> None:
            self.progress.say(f"Training recogniser {recognizer.alias}")
            recognizer.build(self._building(faces(), alias)).save(folder / "weights.safetensors")

        folder = self.store.get("recognizer", {**spec, "alias": alias}, build)
        return recognizer.load(folder / "weights.safetensors", self._building(None, alias))

    def _building(self, faces: FaceSet | None, alias: str) -> BuildContext:
        return BuildContext(faces, Rng(0, "recognizer", alias), self.device, self.progress)

    def _train_split(self, alias: str) -> FaceSet:
        if self.track.splits.train is None:
            raise DataError(
                f"Recognizer {alias!r} must be trained, but the track has no train split; add [splits.train]."
            )
        return self.faces("train")

    def described(self, defense: Defense) -> dict[str, Any]:
        """What identifies a defence, the protector's recognisers included where it asks for them."""
        described = defense.describe()
        if defense.uses_surrogates:
            described["protectors"] = [self.fingerprint(alias) for alias in self.track.protocol.protectors]
        return described

    def defense(self, spec: DefenseSpec, alias: str, seed: int) -> Defense:
        """A defence fitted on a recogniser and the train split."""
        key = (spec.title, alias, seed)
        if key not in self._defenses:
            self._defenses[key] = self._fit_defense(make_defense(spec), alias, seed)
        return self._defenses[key]

    def _fit_defense(self, defense: Defense, alias: str, seed: int) -> Defense:
        train = self.faces("train") if self.track.splits.train else None
        protocol = self.track.protocol
        shared = {
            "train": train.sha if train else "", "resolution": protocol.resolution, "seed": seed,
            "code": code_hash("bench/core", "bench/zoo"),
        }  # fmt: skip

        def keep(name: str, depends: Mapping[str, Any], make: Callable[[], Weights]) -> Weights:
            spec = shared | {"name": name, "protectors": [self.fingerprint(one) for one in protocol.protectors]}
            return self.store.tensors("shared", spec | dict(depends), make)

        context = FitContext(
            self.recognizer(alias), train, Rng(seed, "defense"), self.device, self.progress,
            tuple(self.recognizer(one) for one in protocol.protectors) if defense.uses_surrogates else (),
            protocol.resolution, keep,
        )  # fmt: skip
        if not overrides(defense, "_fit"):
            return defense.fit(context)
        spec = shared | {"defense": self.described(defense), "recognizer": self.fingerprint(alias)}
        state = self.store.tensors("defense", spec, lambda: defense.fit(context).state_dict())
        return defense.fit(context, state)

    def undefended(self, alias: str) -> Defense:
        """The recogniser without a defence."""
        return self.defense(DefenseSpec(name="none", label="none (reference)"), alias, 0)

    def embeddings(self, alias: str, split: str) -> Tensor:
        """(N, D) undefended embeddings of a split."""
        source = SecretSource.installation(0)
        return self.pipeline_embeddings(alias)(self.undefended(alias), self.faces(split), source)

    def pipeline_embeddings(self, alias: str) -> Any:
        """A function (defence, faces, secrets) -> (N, D): embeddings computed once and kept on disk."""

        def embeddings(defense: Defense, faces: FaceSet, source: SecretSource) -> Tensor:
            spec: dict[str, Any] = {"recognizer": self.fingerprint(alias), "alias": alias, "faces": faces.sha}
            if not defense.plain_embedding:
                spec["defense"] = self.described(defense)
                spec["secrets"] = [source.deployment.seed, *source.deployment.labels]
            key = digest(spec)
            if key not in self._embeddings:
                made = self.store.tensors("embeddings", spec, lambda: {"z": self._embed(defense, faces, source)})
                self._embeddings[key] = made["z"]
            return self._embeddings[key]

        return embeddings

    def fresh_embeddings(self, defense: Defense, faces: FaceSet, source: SecretSource, presentation: int) -> Tensor:
        """(N, D) embeddings of a pipeline that is randomised before the embedding, kept on disk."""
        spec = {"recognizer": self.fingerprint(defense.recognizer.alias), "faces": faces.sha,
                "defense": self.described(defense), "presentation": presentation,
                "secrets": [source.deployment.seed, *source.deployment.labels]}  # fmt: skip
        make = lambda: {"z": self._embed(defense, faces, source, presentation)}  # noqa: E731
        return self.store.tensors("embeddings", spec, make)["z"]

    def _embed(self, defense: Defense, faces: FaceSet, source: SecretSource, presentation: int = 0) -> Tensor:
        def one(index: Tensor) -> Tensor:
            draw = source.draw(faces.ids[index], presentation)
            return defense.embed_images(faces.images(index).to(self.device), draw).cpu()

        parts = torch.arange(len(faces)).split(_BATCH)
        title = f"embedding {faces.name}"
        return torch.cat([one(part) for part in self.progress.track(parts, len(parts), title)])

    @torch.no_grad()
    def leak(
        self, defense: Defense, alias: str, surface: Surface, faces: FaceSet, index: Tensor, presentation: Tensor,
        source: SecretSource,
    ) -> Leak:  # fmt: skip
        """What the deployed system leaks of the images at ``index``, each at its own ``presentation``."""
        parts = []
        for where in torch.arange(len(index)).split(_BATCH):
            shown = index[where]
            draw = source.draw(faces.ids[shown], presentation[where])
            if surface is Surface.TEMPLATE and defense.embedding_fixed:
                z = self.pipeline_embeddings(alias)(defense, faces, source)[shown].to(self.device)
                part = defense.enroll_checked(z, draw)
            else:
                part = defense.leak(faces.images(shown).to(self.device), surface, draw)
            parts.append(part)
        return leak_cat(parts)

    def leaked_once(self, system: Hashable, what: Hashable, make: Callable[[], Leak]) -> Leak:
        """A leak of the system asked for last: its cells follow each other, and all attack the same leak."""
        if system != self._leaking:
            self._leaking, self._leaks = system, {}
        if what not in self._leaks:
            self._leaks[what] = make()
        return self._leaks[what]

    def describe_data(self) -> Mapping[str, Any]:
        """For the manifest."""
        table = self.splits
        counts = {
            name: {"images": len(part), "identities": int(part["identity"].nunique())}
            for name, part in table.groupby("split")
        }
        return {
            "images": len(self.dataset.table),
            "identities": int(self.dataset.table["identity"].nunique()),
            "corrupt": len(self.dataset.corrupt),
            "sha256": self.dataset.sha,
            "licence": self.dataset.licence or getattr(self.dataset.settings, "licence", ""),
            "splits": counts,
        }
