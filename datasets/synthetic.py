"""The embedded default: parametric faces rendered as lit 3-D heads. No download, ground truth known exactly."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..bench.core.anatomy import Anatomy
from ..bench.core.attributes import Attributes
from ..bench.core.errors import DataError
from ..bench.core.registry import register_dataset
from ..bench.core.seeding import stable_hash
from .base import DataSettings, FaceDataset

_CHUNK = 128  # images rendered in one go


@dataclass(frozen=True)
class SyntheticSettings(DataSettings):
    """How many faces, and how hard they are."""

    identities: tuple[int, ...] = (300, 1000, 220)  # number of persons in each group; groups are named 0, 1, 2 ...
    images: tuple[int, ...] = (20, 4, 8)  # pictures of each person, by group: many faces to learn from, few of the rest
    seed: int = 0  # of the population
    nuisance: float = 0.8  # strength of pose, light, expression, background ...; 0.8: verified at 96 %


@register_dataset("synthetic")
class Synthetic(FaceDataset):
    """Person ``id00012``, picture ``id00012/003``; deterministic per (seed, identity, image)."""

    licence = "Apache-2.0 (generated)"
    people = "as they were rendered"
    caveats = ("Synthetic faces: rendered heads, easier than photographs; use for method development, not for claims.",)
    Settings = SyntheticSettings
    settings: SyntheticSettings

    def _key(self) -> dict[str, Any]:
        from . import rendering

        files = sorted(Path(str(rendering.__file__)).parent.glob("*.py"))
        source = stable_hash(*(file.read_text(encoding="utf-8") for file in files))
        values = {name: getattr(self.settings, name) for name in ("size", "identities", "images", "seed", "nuisance")}
        return {"dataset": self.name, "source": source, **values}

    def _index(self) -> pd.DataFrame:
        counts = list(zip(self.settings.identities, self.settings.images, strict=False))
        if len(self.settings.identities) != len(self.settings.images) or any(min(pair) < 1 for pair in counts):
            raise DataError(
                f"synthetic: identities {self.settings.identities} and images {self.settings.images} must be lists of "
                "positive numbers of one length, an entry per group."
            )
        groups = [np.full(people * pictures, group) for group, (people, pictures) in enumerate(counts)]
        firsts = np.cumsum([0, *self.settings.identities])
        person = np.concatenate([firsts[g] + np.arange(n * k) // k for g, (n, k) in enumerate(counts)])
        picture = np.concatenate([np.arange(n * k) % k for n, k in counts])
        names = [f"id{i:05d}" for i in person]
        samples = [f"{name}/{k:03d}" for name, k in zip(names, picture, strict=True)]
        group = np.concatenate(groups).astype(str)
        return pd.DataFrame(
            {"sample": samples, "identity": names, "group": group, "person": person, "picture": picture}
        )

    def parameters(self, table: pd.DataFrame) -> Any:
        """Ground truth of the given rows: ``rendering.FaceParameters``."""
        from .rendering import FaceParameters, sample_identity, sample_nuisance

        person = torch.as_tensor(table["person"].to_numpy().copy())
        picture = torch.as_tensor(table["picture"].to_numpy().copy())
        return FaceParameters(
            sample_identity(self.settings.seed, person),
            sample_nuisance(self.settings.seed, person, picture, self.settings.nuisance),
        )

    def attributes(self, index: np.ndarray) -> Attributes | None:
        """The yes-or-no attributes as they were rendered, unless a label file says something else."""
        if self.settings.labels:
            return super().attributes(index)
        from .rendering import attributes

        known = attributes(self.parameters(self.table.iloc[index]))
        labels = {name: value.long() for name, value in known.items() if value.dtype is torch.bool}
        return Attributes(dict.fromkeys(labels, ("no", "yes")), labels)

    def anatomy(self, index: np.ndarray) -> Anatomy | None:
        """Rendered again: about 20 ms a picture."""
        from .rendering import LANDMARK_NAMES, PART_NAMES, captions, render

        parameters, side = self.parameters(self.table.iloc[index]), self.settings.size
        drawn = render(parameters, side)
        # Pixel centres are whole numbers there.
        points = (drawn.landmarks + 0.5) / side
        return Anatomy(points, LANDMARK_NAMES, drawn.parts, PART_NAMES, tuple(captions(parameters)))

    def _read(self, table: pd.DataFrame) -> Iterator[np.ndarray | str]:
        parts = [table.iloc[start : start + _CHUNK] for start in range(0, len(table), _CHUNK)]
        jobs = [(self.settings, part) for part in parts]
        workers = min(os.cpu_count() or 1, len(jobs) // 4)
        if workers < 2:
            for job in jobs:
                yield from _render(job)
            return
        # Many small operations: a process per core is several times faster than threads within operations.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for pictures in pool.map(_render, jobs):
                yield from pictures


def _render(job: tuple[SyntheticSettings, pd.DataFrame]) -> np.ndarray:
    """(n, 3, size, size) uint8 of a part of the table."""
    from .rendering import render

    settings, part = job
    dataset = Synthetic({})
    dataset.settings = settings
    # Sensor noise follows the picture, so that a re-rendered subset is the same to the last bit.
    noise = torch.as_tensor([stable_hash(settings.seed, "noise", name) for name in part["sample"]])
    images = render(dataset.parameters(part).exact(), settings.size, noise).images
    return (images * 255).round().clamp(0, 255).to(torch.uint8).numpy()
