"""A ``FaceSet`` of pictures of one's own, held in memory, or of a data set that the suite can read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...datasets.base import LoadContext
from ...datasets.splits import face_set as split_set
from ..core.checks import check_images
from ..core.errors import DataError, InputError
from ..core.faces import FaceSet
from ..core.progress import Progress
from ..core.registry import DATASETS
from ..store.store import Store, default_root


def face_set(images: Tensor, people: Sequence[object] | Tensor, *, name: str = "faces") -> FaceSet:
    """A set of faces from tensors.

    Args:
        images: (N, 3, H, W) float32 RGB in [0, 1], square and aligned as the recognisers expect it.
        people: (N,) who each picture shows, names or numbers. One person has one name in all sets: what an attack
            learns from, what it attacks and what calibrates its judges must show different people.
        name: of the set, for messages.

    Raises:
        InputError: not images, none of them, or another number of people.
    """
    check_images(images, f"images of {name}")
    labels = people.tolist() if isinstance(people, Tensor) else list(people)
    if not len(images) or len(labels) != len(images):
        raise InputError(f"{name}: {len(labels)} people were named for {len(images)} images; name one for each image.")
    identities = [str(label) for label in labels]
    seen: dict[str, int] = {}
    samples = []
    for identity in identities:
        seen[identity] = seen.get(identity, 0) + 1
        samples.append(f"{identity}/{seen[identity]:05d}")
    pixels = images.detach().to("cpu", torch.float32).clone()
    sha = hashlib.sha256("\n".join(samples).encode())
    sha.update(pixels.numpy().tobytes())

    def read(index: np.ndarray) -> Tensor:
        return pixels[torch.as_tensor(np.asarray(index), dtype=torch.int64)]

    return FaceSet(name, samples, identities, read, sha.hexdigest()[:24])


def load_faces(
    dataset: str = "synthetic",
    *,
    settings: Mapping[str, Any] | None = None,
    people: Sequence[str] | slice = slice(None),
    store: str | Path | None = None,
) -> FaceSet:
    """All pictures of a data set, or those of some people.

    Args:
        dataset: a registered name (``faceleak list datasets``).
        settings: of the data set, as in a track.
        people: whose pictures: names, or a slice of the names in their order.
        store: folder of shared artefacts, where decoded pictures are kept; where None, that of ``FACELEAK_STORE``.

    Raises:
        RegistryError: no such data set.
        DataError: nothing to read, or nobody of these people in it.
    """
    loaded = DATASETS.get(dataset)(dict(settings or {}))
    root = Path(store) if store is not None else default_root()
    loaded.load(LoadContext(Store(root).get, Progress()))
    table = loaded.table.reset_index(names="row")
    names = table["identity"].unique().tolist()
    wanted = names[people] if isinstance(people, slice) else list(people)
    part = table[table["identity"].isin(wanted)]
    if missing := sorted({*wanted} - {*names}):
        raise DataError(f"{dataset} has nobody called {missing[0]!r}; its {len(names)} people begin with {names[:2]}.")
    if part.empty:
        raise DataError(f"{dataset}: {people} is nobody of its {len(names)} people; take others.")
    return split_set(loaded, part.assign(split=dataset), dataset)


def check_apart(one: FaceSet, other: FaceSet, why: str) -> None:
    """Refuse two sets that share people.

    Raises:
        DataError: names some of them.
    """
    shared = sorted({*one.identities} & {*other.identities})
    if shared:
        raise DataError(
            f"{len(shared)} people stand in both {one.name!r} and {other.name!r} ({', '.join(shared[:3])}): {why}; "
            "take other people, and give different people different names."
        )
