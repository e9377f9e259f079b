"""What the harness does with an attack: check, fit or load, recover. The same program in either process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ...attacks.base import Attack
from ..core.context import AttackContext, Weights
from ..core.leaks import Leak
from ..core.memory import count_anew, peak_memory
from ..core.recovery import Recovery
from .views import recover_leaks


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves behind.

    Args:
        state: the attack's ``state_dict``.
        losses: one for each step.
        still_falling: relative drop of the loss at the end.
        kept: share of what was learnt that did held-out people no harm.
    """

    state: Weights
    losses: list[float]
    still_falling: float
    kept: float = 1.0


@dataclass(frozen=True)
class Handed:
    """The leaks that an attack gets at one time: one draw of each victim, in random order.

    Args:
        leaks: one for each view, the victims in the same order.
        ids: (V,) for each view: random numbers that mean nothing outside of this call.
        joined: how views are put together (``views.py``).
        photographs: ceilings only: the victims' own photographs by role.
    """

    leaks: Sequence[Leak]
    ids: Sequence[Tensor]
    joined: str
    photographs: Mapping[str, Tensor] | None = None


class Attacker(Protocol):
    """An attack at work, in this process or in one of its own."""

    isolated: bool

    def check(self, sample: Leak) -> None:
        """Refuse a leak that a fit could not read; ``sample`` shows its shape."""

    def fit(self) -> Fitted:
        """Learn from the public pictures."""

    def load(self, state: Weights) -> None:
        """Take over an equal fit."""

    def recover(self, handed: Handed) -> Recovery:
        """What the attack makes of what it is handed."""

    def costs(self) -> tuple[int, float]:
        """Parameters, and the most memory held since it began, in MB."""


class LocalAttacker:
    """An attack in this process.

    Args:
        attack: not fitted.
        context: what it may use.
        fitting: what it may use while it learns, where that is less.
    """

    isolated = False

    def __init__(self, attack: Attack, context: AttackContext, fitting: AttackContext | None = None) -> None:
        self._attack, self._context, self._fitting = attack, context, fitting or context
        count_anew(context.device)

    def check(self, sample: Leak) -> None:
        self._attack.check_shape(sample, self._context)

    def fit(self) -> Fitted:
        self._attack.fit(self._fitting)
        log = self._attack.log
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self._attack.state_dict().items()}
        return Fitted(state, log.losses if log else [], log.still_falling if log else 0.0, log.kept if log else 1.0)

    def load(self, state: Weights) -> None:
        self._attack.fit(self._fitting, state)

    def recover(self, handed: Handed) -> Recovery:
        if handed.photographs is not None:
            self._context.photographs = dict(handed.photographs)
        return recover_leaks(self._attack, handed.leaks, handed.ids, self._context, handed.joined)

    def costs(self) -> tuple[int, float]:
        return sum(p.numel() for p in self._attack.parameters()), peak_memory(self._context.device)
