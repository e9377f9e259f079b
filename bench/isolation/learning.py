"""A defence's learning at the harness's end: in a process of its own where that can be, in this one otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ...defenses.base import Defense, overrides
from ...defenses.composition import Compose
from ..core.context import FitContext, Weights
from ..core.errors import ContractError
from ..core.training import TrainLog
from .arithmetic import arithmetic
from .host import Host, Keeper, tensors_of
from .learner import Lesson
from .processes import CannotTravel, Processes, pickled, where_of
from .wire import Peer


@dataclass(frozen=True)
class Workplace:
    """Where plug-ins work.

    Args:
        processes: what they are forked from.
        closed: folders of the run and of its data.
        say: where it is told that one could not travel.
    """

    processes: Processes
    closed: tuple[str, ...]
    say: Callable[[str], None]


@dataclass(frozen=True)
class Learnt:
    """What a defence's fit leaves behind.

    Args:
        state: its ``state_dict``.
        logs: how it learnt, by what was trained.
        apart: whether it learnt in a process of its own.
    """

    state: Weights
    logs: dict[str, TrainLog]
    apart: bool


def learn(defense: Defense, context: FitContext, keeper: Keeper, place: Workplace | None) -> Learnt:
    """Fit a defence.

    Args:
        defense: not fitted; where it learns here, it is afterwards.
        context: what it may use.
        keeper: keeps what defences share.
        place: where its process comes from; None: it learns in this one.
    """
    if place is not None and learns(defense):
        try:
            return _apart(defense, context, keeper, place)
        except CannotTravel as why:
            place.say(f"  {defense.name} learns beside the harness: {why}")
    defense.fit(context)
    return Learnt(defense.state_dict(), defense.trainings(), not learns(defense))


def learns(defense: Defense) -> bool:
    """Whether anything of it is fitted to pictures."""
    return any(overrides(part, "_fit") for part in parts_of(defense))


def parts_of(defense: Defense) -> tuple[Defense, ...]:
    """Itself, or the two that stand in a row."""
    return defense.parts if isinstance(defense, Compose) else (defense,)


def _apart(defense: Defense, context: FitContext, keeper: Keeper, place: Workplace) -> Learnt:
    processes, train = place.processes, context.train
    lesson = Lesson(
        parts=[(where_of(type(part)), _values(part.settings)) for part in parts_of(defense)],
        recognizer=processes.copy(context.recognizer),
        surrogates=[processes.copy(one) for one in context.surrogates],
        train=(train.name, train.samples, train.identities, train.sha) if train is not None else None,
        pixels=str(processes.pixels(train)) if train is not None else "",
        rng=context.rng,
        key=context.key,
        resolution=context.resolution,
        progress=context.progress,
        arithmetic=arithmetic(),
        closed=place.closed,
    )
    host = Host(processes, train, keeper, lambda: tensors_of(peer.call("make")))
    peer = Peer(processes.fork(), host.answers(), processes.device)
    try:
        found = peer.call("learn", content=pickled(lesson), device=str(processes.device))
    finally:
        peer.close()
    return Learnt(tensors_of(found["state"]), {str(what): _log(log) for what, log in found["logs"].items()}, True)


def _values(settings: Any) -> dict[str, Any]:
    """As a track gives them."""
    return asdict(settings)


def _log(told: Any) -> TrainLog:
    if not isinstance(told, dict) or set(told) != {"losses", "epochs", "halvings", "kept"}:
        raise ContractError("A defense's process handed back a training that is none.")
    losses = [float(loss) for loss in told["losses"]]
    return TrainLog(losses, float(told["epochs"]), int(told["halvings"]), float(told["kept"]))
