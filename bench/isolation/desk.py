"""Where a cell's attack is served: in a process of its own where that can be, in this one otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...attacks.base import Attack
from ...defenses.base import Defense
from ..core.code import code_of
from ..core.context import AttackContext, Weights
from ..core.errors import ContractError
from ..core.recovery import Recovery
from ..core.threat import DefenseKnowledge, RecognizerAccess
from ..store.recipe import Recipe
from .arithmetic import arithmetic
from .attacker import Attacker, LocalAttacker
from .child import Start
from .harness import RemoteAttacker
from .host import Keeper
from .processes import CannotTravel, pickled, where_of

if TYPE_CHECKING:
    from ..plan.cells import Cell
    from ..prepare.session import Session


class Desk:
    """Gives a cell its attackers and ends their processes.

    Args:
        session: the run.
        cell: which attack meets which system.
        system: the deployed defence.
        context: what is granted.
        fitting: what is granted while the attack learns.
    """

    def __init__(
        self, session: Session, cell: Cell, system: Defense, context: AttackContext, fitting: AttackContext
    ) -> None:
        self._session, self._cell, self._system = session, cell, system
        self.context, self.fitting = context, fitting
        self._open: list[RemoteAttacker] = []

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *error: object) -> None:
        for one in self._open:
            one.close()

    def attacker(self, attack: Attack) -> Attacker:
        """A new one, in a process that knows of no other."""
        local = LocalAttacker(attack, self.context, self.fitting)
        if self._session.in_process:
            return local
        try:
            start = self._start(attack)
            keeper = shared_weights(self._session, self._cell, self._system, attack)
            remote = RemoteAttacker(self._session.processes, start, self.context, keeper, self.fitting)
        except CannotTravel as why:
            self._session.progress.say(f"  not isolated: {why}")
            return local
        self._open.append(remote)
        return remote

    def _start(self, attack: Attack) -> Start:
        session, context, processes = self._session, self.context, self._session.processes
        threat, public = context.target.threat, context.public
        if threat.grants(RecognizerAccess.WHITE_BOX) and getattr(self._system.recognizer, "differentiable", True):
            processes.copy(self._system.recognizer)
        if threat.defense in (DefenseKnowledge.K2, DefenseKnowledge.K3) and attack.threat.defense is threat.defense:
            pickled(self._system, left_out=self._system.recognizer)
        return Start(
            attack=where_of(type(attack)),
            settings=dict(self._cell.attack.settings) if self._cell.attack else {},
            threat=threat,
            surface=context.target.surface,
            rng=context.rng,
            public=(public.name, public.samples, public.identities, public.sha),
            pixels=str(processes.pixels(public)),
            surrogate=processes.copy(context.surrogate) if context.surrogate is not None else b"",
            resolution=context.resolution,
            progress=context.progress,
            arithmetic=arithmetic(),
            closed=session.closed,
        )


def shared_weights(session: Session, cell: Cell, system: Defense, attack: Attack | None = None) -> Keeper:
    """``context.keep`` at the harness's end.

    What the suite's own attacks make is shared by all of them. What somebody's plug-in makes is kept for that plug-in
    at that access and knowledge: otherwise it could pass on what it was granted in one cell to another cell, or hand
    false weights to attacks that are not its own.
    """
    alias, public = cell.target.recognizer, session.faces("public")
    assert cell.threat is not None
    stranger = attack is not None and not type(attack).__module__.startswith(f"{__name__.split('.')[0]}.")
    owner = None
    if stranger:
        owner = [code_of(type(attack)), str(cell.threat), session.systems.recipe_of(system), str(cell.surface)]

    def keep(name: str, depends: Mapping[str, Any], module: str, make: Callable[[], Weights]) -> Weights:
        of: dict[str, Any] = {
            "name": name,
            "recognizer": session.recognizer_recipe(alias),
            "surrogate": session.recognizer_recipe(cell.target.surrogate),
            "public": public.sha,
            "seed": cell.seed,
            "resolution": session.track.protocol.resolution,
            "depends": depends,
        }
        if owner is not None:
            of["owner"] = owner
        code = code_of(module) if module in sys.modules else code_of(type(attack))
        return session.store.tensors(Recipe("shared", of, code), make)

    return keep


def in_order(found: list[tuple[Tensor, Recovery]]) -> Recovery:
    """The recoveries of all turns, in the order of the leaks."""
    place = torch.cat([index for index, _ in found]).argsort()
    parts = [recovery for _, recovery in found]
    first = parts[0]

    def joined(pick: Callable[[Recovery], Tensor | None]) -> Tensor | None:
        there = [one for one in map(pick, parts) if one is not None]
        if len(there) not in (0, len(parts)):
            raise ContractError("An attack recovered for one draw what it did not for another.")
        return torch.cat(there)[place] if there else None

    names = list(first.attributes or {})
    attributes = {name: joined(lambda one, name=name: (one.attributes or {}).get(name)) for name in names}  # type: ignore[misc]
    read = {name: likely for name, likely in attributes.items() if likely is not None}
    return Recovery(joined(lambda one: one.images), joined(lambda one: one.embeddings), first.space, read or None)
