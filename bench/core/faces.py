"""A set of face images as the plug-ins see it: positions in, images out, never a path."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .anatomy import Anatomy
from .attributes import Attributes
from .seeding import sample_ids


def resize(images: Tensor, size: int) -> Tensor:
    """(N, 3, H, W) -> (N, 3, size, size), bilinear with anti-aliasing, so that down-sampling does not alias."""
    if images.shape[-1] == size and images.shape[-2] == size:
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True).clamp(0, 1)


class FaceSet:
    """Images of one split.

    Args:
        name: split name.
        samples: (N,) sample names, unique in the data set.
        identities: (N,) identity names.
        read: positions (M,) -> (M, 3, H, W) float32 [0, 1].
        sha: hash of the set's images and names.
        attributes: says what else is known of the samples, or that nothing is; called once, when it is first asked for.
        anatomy: positions (M,) -> landmarks, parts and captions of these samples, or None where none are known.

    Attributes:
        labels: (N,) int64 identity numbers 0 .. n_identities - 1, in order of first appearance.
        ids: (N,) int64 stable sample ids for per-sample randomness.
    """

    def __init__(
        self,
        name: str,
        samples: list[str],
        identities: list[str],
        read: Callable[[np.ndarray], Tensor],
        sha: str,
        attributes: Callable[[], Attributes | None] = lambda: None,
        anatomy: Callable[[np.ndarray], Anatomy | None] = lambda index: None,
    ) -> None:
        self.name, self.samples, self.identities, self.sha = name, samples, identities, sha
        self._read, self._know, self._anatomy = read, attributes, anatomy
        self._small: dict[int, Tensor] = {}
        number: dict[str, int] = {}
        self.labels = torch.tensor([number.setdefault(identity, len(number)) for identity in identities])
        self.n_identities = len(number)
        self.ids = sample_ids(samples)

    @cached_property
    def people(self) -> Tensor:
        """(N,) int64 stable number of each sample's person, for secrets of persons."""
        return sample_ids(self.identities)

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def attributes(self) -> Attributes | None:
        """Labels of the samples, or None where the data set has none."""
        return self._know()

    def anatomy(self, index: Tensor) -> Anatomy | None:
        """Landmarks, parts and captions at (B,) positions, or None where the data set knows none; not kept."""
        return self._anatomy(index.cpu().numpy())

    def images(self, index: Tensor) -> Tensor:
        """(B, 3, H, W) float32 RGB [0, 1] at positions ``index``."""
        return self._read(index.cpu().numpy())

    def resized(self, index: Tensor, size: int) -> Tensor:
        """(B, 3, size, size) images; the whole set is resized once and kept in memory as 8-bit pixels."""
        if size not in self._small:
            parts = [
                (resize(self.images(part), size) * 255).round().to(torch.uint8)
                for part in torch.arange(len(self)).split(512)
            ]
            self._small[size] = torch.cat(parts)
        return self._small[size][index.cpu()].float() / 255

    def mirrored(self) -> FaceSet:
        """The same people looking the other way; nothing else is known of them."""
        samples = [f"{name} (mirrored)" for name in self.samples]
        name = f"{self.name}, mirrored"
        return FaceSet(name, samples, self.identities, lambda index: self._read(index).flip(3), f"{self.sha}:mirrored")

    def subset(self, index: Tensor, name: str) -> FaceSet:
        """The samples at ``index`` as a set of their own."""
        positions = index.cpu().numpy()
        return FaceSet(
            name,
            [self.samples[i] for i in positions],
            [self.identities[i] for i in positions],
            lambda inner: self._read(positions[inner]),
            f"{self.sha}:{name}",
            lambda: self.attributes.take(index.cpu()) if self.attributes else None,
            lambda inner: self._anatomy(positions[inner]),
        )
