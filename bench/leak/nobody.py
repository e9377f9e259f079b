"""Leaks of nobody: random vectors of the right distribution, enrolled as a person's would be.

What an attack makes of them is its habit, and whom a judge finds in it is found for no reason: a baseline under rank-k
(after the randomised baselines of Wenger et al., arXiv 2202.05760).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...defenses.base import Defense
from ..core.disclosed import strip_disclosed
from ..core.leaks import Leak
from ..core.secrets import SecretSource
from ..core.seeding import Rng, sample_ids
from ..core.surfaces import Surface
from ..core.threat import DefenseKnowledge
from ..plan.cells import Cell
from ..prepare.session import Session


def random_vectors(z: Tensor, count: int, rng: Rng) -> Tensor:
    """(count, D) of unit norm: Gaussian with the mean and the covariance of (N, D) ``z``.

    Each is the mean and a combination of all centred rows with weights of variance 1 / (N - 1), so that no covariance
    has to be inverted or rooted, however few rows there are.
    """
    centred = z - z.mean(0)
    weights = rng.normal(torch.arange(count), (len(z),)).to(z)
    return F.normalize(z.mean(0) + weights @ centred / max(1, len(z) - 1) ** 0.5, dim=1)


@torch.no_grad()
def leak_of_nobody(session: Session, system: Defense, cell: Cell, installation: SecretSource) -> tuple[Leak, Tensor]:
    """``protocol.random_vectors`` templates under the installation's secrets, and their (R,) ids.

    The vectors are distributed as the public people's embeddings by the very pipeline.
    """
    assert cell.surface is Surface.TEMPLATE, "a random vector is no picture that could be sent"
    count = session.track.protocol.random_vectors
    alias, public = cell.target.recognizer, session.faces("public")
    if system.embedding_fixed:
        z = session.pipeline_embeddings(alias)(system, public, installation)
    else:
        z = session.fresh_embeddings(system, alias, public, installation, 0)
    vectors = random_vectors(z, count, Rng(cell.seed, "random vectors"))
    ids = sample_ids([f"random vector {number}" for number in range(count)])
    draw = installation.draw(ids, people=ids)
    leak = system.enroll_checked(vectors.to(session.device), draw)
    knowledge = cell.threat.defense if cell.threat else DefenseKnowledge.K0
    return strip_disclosed(system, cell.surface, knowledge, leak, draw), ids
