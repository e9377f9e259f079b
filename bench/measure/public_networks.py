"""What the harness itself trains on the public faces: editors that stand for what others do, a finder of landmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..core.code import code_of
from ..core.context import Keep, Weights
from ..core.progress import Progress
from ..core.seeding import Rng
from ..prepare.session import Session
from ..store.recipe import Recipe


@dataclass(frozen=True)
class PublicContext:
    """A `MakerContext` of nobody's: neither a defence nor an attack."""

    rng: Rng
    device: torch.device
    progress: Progress
    resolution: int
    keep: Keep


def public_context(session: Session, purpose: str) -> PublicContext:
    """Where networks are made on the public split and kept for the next run.

    Args:
        session: whose store, device and resolution.
        purpose: first weights and order of the pictures follow it.
    """
    side = session.track.protocol.resolution
    known = {"public": session.faces("public").sha, "resolution": side, "purpose": purpose}

    def keep(name: str, depends: Mapping[str, Any], make: Callable[[], Weights]) -> Weights:
        of = {"name": name, **known, "depends": depends}
        return session.store.tensors(Recipe("shared", of, code_of(make.__module__)), make)

    return PublicContext(Rng(0, purpose), session.device, session.progress, side, keep)
