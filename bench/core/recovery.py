"""What an attack hands back."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .checks import check_images, check_vectors
from .errors import ContractError


@dataclass(frozen=True)
class Recovery:
    """Images, or identity embeddings, or both.

    Args:
        images: (N, 3, H, W) float32 RGB [0, 1].
        embeddings: (N, D) unit norm, in the space of the recogniser named ``space``.
        space: ``target`` (the attacked recogniser) or ``surrogate`` (the adversary's own public one).

    Raises:
        ContractError: neither is given, or embeddings come without the space they live in.
    """

    images: Tensor | None = None
    embeddings: Tensor | None = None
    space: str | None = None

    def __post_init__(self) -> None:
        if self.images is None and self.embeddings is None:
            raise ContractError("A Recovery needs images or embeddings; this attack returned neither.")
        if self.images is not None:
            check_images(self.images, "recovered images")
        if self.embeddings is not None:
            check_vectors(self.embeddings, "recovered embeddings", unit_norm=True)
            if self.space not in ("target", "surrogate"):
                raise ContractError(
                    f"Recovered embeddings need space='target' or 'surrogate', got {self.space!r}: "
                    "a cosine between two networks' spaces means nothing."
                )

    def __len__(self) -> int:
        part = self.images if self.images is not None else self.embeddings
        assert part is not None
        return int(part.shape[0])
