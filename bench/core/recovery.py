"""What an attack hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_images, check_vectors
from .errors import ContractError


@dataclass(frozen=True)
class Recovery:
    """Images, or identity embeddings, or both; or attributes.

    Args:
        images: (N, 3, H, W) float32 RGB [0, 1].
        embeddings: (N, D) unit norm, in the space of the recogniser named ``space``.
        space: ``target`` (the attacked recogniser) or ``surrogate`` (the adversary's own public one).
        attributes: attribute -> (N, classes) how likely each class is, [0, 1] summing to 1, in the order of the data
            set's ``Attributes.classes``.

    Raises:
        ContractError: none is given, embeddings come without the space they live in, or attributes are no likelihoods.
    """

    images: Tensor | None = None
    embeddings: Tensor | None = None
    space: str | None = None
    attributes: Mapping[str, Tensor] | None = None

    def __post_init__(self) -> None:
        if self.images is None and self.embeddings is None and not self.attributes:
            raise ContractError("A Recovery needs images, embeddings or attributes; this attack returned none.")
        if self.images is not None:
            check_images(self.images, "recovered images")
        if self.embeddings is not None:
            check_vectors(self.embeddings, "recovered embeddings", unit_norm=True)
            if self.space not in ("target", "surrogate"):
                raise ContractError(
                    f"Recovered embeddings need space='target' or 'surrogate', got {self.space!r}: "
                    "a cosine between two networks' spaces means nothing."
                )

        for name, likely in (self.attributes or {}).items():
            check_vectors(likely, f"recovered attribute {name!r}")
            sums = likely.sum(dim=1)
            if bool((likely < 0).any()) or not torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
                raise ContractError(f"Recovered attribute {name!r} must be likelihoods that sum to 1; take a softmax.")

    def __len__(self) -> int:
        parts = [self.images, self.embeddings, *(self.attributes or {}).values()]
        return next(len(part) for part in parts if part is not None)
