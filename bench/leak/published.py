"""Published pictures, each made once: some defences search anew for every picture, seconds apiece."""

from __future__ import annotations

import torch
from torch import Tensor

from ...defenses.base import Defense
from ..core.code import code_of
from ..core.faces import FaceSet
from ..core.secrets import SecretSource
from ..prepare.session import Session
from ..store.recipe import Recipe

_BATCH = 32


def published(
    session: Session, defense: Defense, alias: str, faces: FaceSet, index: Tensor, source: SecretSource
) -> Tensor:
    """What is published of the images at ``index``: (L, 3, H, W), in their first presentation, kept on disk.

    Args:
        session: for the store and the device.
        defense: fitted.
        alias: the recogniser that it was fitted on.
        faces: whose images.
        index: (L,) positions.
        source: who publishes: the installation, or an adversary with pictures of their own.
    """
    of = {
        "system": session.systems.recipe_of(defense), "faces": faces.sha, "index": index.tolist(),
        "secrets": [*map(str, (source.deployment.seed, *source.deployment.labels))],
        "sample": [*map(str, (source.sample.seed, *source.sample.labels))],
    }  # fmt: skip

    @torch.no_grad()
    def make() -> dict[str, Tensor]:
        def one(part: Tensor) -> Tensor:
            return defense.publish(faces.images(part).to(session.device), source.draw(faces.ids[part])).cpu()

        parts = index.split(_BATCH)
        title = f"publishing {faces.name}"
        return {"images": torch.cat([one(part) for part in session.progress.track(parts, len(parts), title)])}

    return session.store.tensors(Recipe("published", of, code_of(__name__)), make)["images"]
