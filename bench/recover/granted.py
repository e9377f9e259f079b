"""What the cell's threat model puts into an attack's hands."""

from __future__ import annotations

from ...defenses.base import Defense
from ..core.context import AttackContext
from ..core.secrets import SecretSource
from ..core.seeding import Rng
from ..core.target import Target
from ..core.threat import DefenseKnowledge
from ..isolation.desk import shared_weights
from ..leak.published import published
from ..plan.cells import Cell, make_attack
from ..prepare.session import Session


def attack_context(
    session: Session, cell: Cell, system: Defense, installation: SecretSource, knowledge: DefenseKnowledge | None = None
) -> AttackContext:
    """Exactly what the cell's threat model grants; or what it would with other ``knowledge`` of the defence."""
    assert cell.threat is not None
    assert cell.surface is not None
    alias, public = cell.target.recognizer, session.faces("public")
    target = Target(
        system,
        session.undefended(alias),
        cell.surface,
        cell.threat.with_defense(knowledge) if knowledge else cell.threat,
        installation,
        cell.seed,
        public,
        session.pipeline_embeddings(alias),
        published=lambda faces, index, source: published(session, system, alias, faces, index, source),
        own=session.root.seed(cell.seed, "adversary"),
    )
    surrogate = session.recognizer(cell.target.surrogate) if cell.target.surrogate else None
    keeper = shared_weights(session, cell, system)
    return AttackContext(
        target=target,
        public=public,
        # Not the threat model's name: an equal fit under another name must be the same fit.
        rng=Rng(cell.seed, "attack", cell.attack.fit_title if cell.attack else ""),
        device=session.device,
        progress=session.progress,
        resolution=session.track.protocol.resolution,
        surrogate=surrogate,
        surrogate_embeddings=(lambda: session.embeddings(cell.target.surrogate, "public")) if surrogate else None,
        keep=lambda name, depends, make: keeper(name, depends, make.__module__, make),
    )


def fitting_context(
    session: Session, cell: Cell, system: Defense, installation: SecretSource, context: AttackContext
) -> AttackContext:
    """What is granted while the attack learns: of a fit that oracles share (``fit_recipe``) no more than an oracle has.

    A stolen key that got into such a fit would come with it to those who were not given it.
    """
    assert cell.attack is not None
    attack = make_attack(cell.attack)
    shared = (
        attack.trained and not attack.uses_secrets and context.target.threat.defense is DefenseKnowledge.K3
        and not system.person_keyed  # there an adversary with keys learns from another thing, own keys taken off
    )  # fmt: skip
    return attack_context(session, cell, system, installation, DefenseKnowledge.K1) if shared else context
