"""An attack on what leaked, under a threat model that is enforced as in a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...attacks.base import Attack
from ...defenses.base import Defense
from ..core.context import AttackContext
from ..core.errors import ThreatModelError
from ..core.faces import FaceSet
from ..core.progress import Progress
from ..core.recovery import Recovery
from ..core.registry import ATTACKS
from ..core.secrets import SecretSource
from ..core.seeding import Rng, presentation_ids
from ..core.surfaces import Surface
from ..core.target import Target
from ..core.threat import DefenseKnowledge, ThreatModel
from ..leak.leaked import other_images
from ..plan.cells import levels
from ..recognizers.base import Recognizer
from .faces import check_apart
from .system import Leaked


@dataclass(frozen=True)
class Attacked(Recovery):
    """What an attack recovered, what it was granted and what it used.

    Args:
        threat: the threat model.
        n_queries: embeddings and scores that it asked for.
        n_pairs: distinct public images whose leak it made.
        surrogate: the adversary's own recogniser.
        public: the adversary's own faces.
    """

    threat: ThreatModel | None = None
    n_queries: int = 0
    n_pairs: int = 0
    surrogate: Recognizer | None = None
    public: FaceSet | None = None


def attack(
    kind: str | type[Attack],
    leaked: Leaked,
    public: FaceSet,
    *,
    settings: Mapping[str, Any] | None = None,
    knowledge: DefenseKnowledge | str | None = None,
    pairs: int | None = None,
    queries: int | None = None,
    surrogate: Recognizer | None = None,
    resolution: int = 64,
    seed: int = 0,
) -> Attacked:
    """Fit an attack on the adversary's own faces and let it recover whom the leak shows.

    Args:
        kind: a registered name (``faceleak list attacks``) or a class.
        leaked: what the adversary holds of the victims.
        public: the adversary's own faces, other people than the victims.
        settings: of the attack.
        knowledge: of the defence, ``K0`` ... ``K3``; where None, ``K1`` if that differs from knowing nothing.
        pairs: how many public images it may leak; None: all.
        queries: how many questions it may ask about each victim; None: any number.
        surrogate: a public recogniser of the adversary's own.
        resolution: side in pixels of recovered images.
        seed: of the adversary.

    Raises:
        ThreatModelError: the attack asks for what is not granted, or the level of knowledge does not exist here.
        NotApplicable: it cannot read this leak.
        DataError: public faces show victims.
        RegistryError: no such attack.
    """
    check_apart(public, leaked.faces, "an attack is judged on people whom it did not learn from")
    values = dict(settings or {})
    made: Attack = kind(values) if isinstance(kind, type) else ATTACKS.get(kind)(values)
    threat = replace(made.threat, defense=_level(made, leaked.system.defense, knowledge), pairs=pairs, queries=queries)
    context = _context(made, leaked, public, threat, surrogate, resolution, seed)
    part, target = leaked.part, context.target
    leak = target.cut(part.leak)
    made.check_shape(leak, context)
    made.fit(context)
    target.enrol(part.leak if leaked.surface is Surface.TEMPLATE else None)
    found = made.recover(leak, presentation_ids(part.faces.ids[part.index], part.presentation), context)
    return Attacked(
        found.images, found.embeddings, found.space, found.attributes,
        threat, target.n_queries, target.n_pairs, surrogate, public,
    )  # fmt: skip


def _level(made: Attack, defense: Defense, asked: DefenseKnowledge | str | None) -> DefenseKnowledge:
    """The level that is asked for if it exists for this pair, as a run decides it."""
    able = levels(made, defense, ())
    if asked is None:
        return DefenseKnowledge.K1 if DefenseKnowledge.K1 in able else able[0]
    if asked not in [level.value for level in able]:
        raise ThreatModelError(
            f"{made.name} against {defense.name or type(defense).__name__} has no knowledge level {str(asked)!r}; it "
            f"has {', '.join(level.value for level in able)}."
        )
    return DefenseKnowledge(asked)


def _context(
    made: Attack, leaked: Leaked, public: FaceSet, threat: ThreatModel, surrogate: Recognizer | None,
    resolution: int, seed: int,
) -> AttackContext:  # fmt: skip
    """Exactly what the threat model grants."""
    system, faces, index = leaked.system, leaked.faces, leaked.part.index
    known: dict[tuple[int, str], Tensor] = {}

    def embeddings(defense: Defense, of: FaceSet, source: SecretSource) -> Tensor:
        key = (id(defense), f"{of.sha} {source.deployment.seed} {source.deployment.labels}")
        if key not in known:
            parts = torch.arange(len(of)).split(256)
            shown = ((of.images(part).to(system.recognizer.device), source.draw(of.ids[part])) for part in parts)
            known[key] = torch.cat([defense.embed_images(images, draw).cpu() for images, draw in shown])
        return known[key]

    def published(of: FaceSet, positions: Tensor, source: SecretSource) -> Tensor:
        images = of.images(positions).to(system.recognizer.device)
        return system.defense.publish(images, source.draw(of.ids[positions])).cpu()

    target = Target(
        system.defense, system.undefended, leaked.surface, threat, system.installation, seed, public, embeddings,
        published=torch.no_grad()(published),
    )  # fmt: skip
    photographs = None
    if threat.victims:
        photographs = {"same": faces.images(index), "other": faces.images(other_images(faces, index))}
    own = surrogate.embed(public.images(torch.arange(len(public)))) if surrogate else None
    return AttackContext(
        target, public, Rng(seed, "attack", made.name), system.recognizer.device, Progress(), resolution, surrogate,
        (lambda: own) if own is not None else None, photographs,
    )  # fmt: skip
