"""Pictures of one's own as a ``FaceSet``, held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..core.checks import check_images
from ..core.errors import DataError, InputError
from ..core.faces import FaceSet


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
