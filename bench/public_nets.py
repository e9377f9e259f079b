"""What the harness itself trains on the public faces: editors that stand for what others do, a finder of landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .core.context import Keep
from .core.progress import Progress
from .core.seeding import Rng
from .session import Session, code_hash


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
    known = {"public": session.faces("public").sha, "resolution": side, "code": code_hash("bench/core", "bench/zoo")}
    return PublicContext(
        Rng(0, purpose), session.device, session.progress, side,
        lambda name, spec, make: session.store.tensors("shared", {"name": name, **known, **spec}, make),
    )  # fmt: skip
