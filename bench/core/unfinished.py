"""Loops that can be killed: what a training keeps of itself every few minutes, and goes on from.

Whatever trains stands in a *place*, which the store opens around the making of an artefact (an attack's process asks
the harness for its place). The n-th training loop of a making finds there what the n-th loop of a killed one left: all
that comes between two loops is done anew, and comes out the same, because it follows from seeds.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

State = Mapping[str, Tensor]
EVERY_S = 180.0
VARIABLE = "FACELEAK_KEEP_EVERY"  # seconds between two keepings, where it is not EVERY_S


class Place(Protocol):
    """Where unfinished trainings of one artefact are kept."""

    spent_before: float

    def read(self, name: str) -> State | None:
        """What was kept under a name; None if nothing, or nothing that is whole."""

    def write(self, name: str, state: State) -> None:
        """Keep it in the place of what was there, in one step."""


@dataclass
class _Open:
    place: Place
    loops: int = 0


@dataclass(frozen=True)
class Meter:
    """What counts beside a training and must be counted on with it: how to read it, and how to set it."""

    read: Callable[[], State]
    set: Callable[[State], None]


_OPEN: ContextVar[_Open | None] = ContextVar("place of unfinished trainings", default=None)
_METER: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def resumable(place: Place) -> Iterator[None]:
    """Within, training loops keep themselves in ``place``."""
    token = _OPEN.set(_Open(place))
    try:
        yield
    finally:
        _OPEN.reset(token)


@contextmanager
def nowhere() -> Iterator[None]:
    """Within, loops keep nothing."""
    token = _OPEN.set(None)
    try:
        yield
    finally:
        _OPEN.reset(token)


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Within, what is kept includes a meter's state."""
    token = _METER.set(meter)
    try:
        yield
    finally:
        _METER.reset(token)


def current_place() -> Place | None:
    """The place that is open, for whoever asks from another process."""
    opened = _OPEN.get()
    return opened.place if opened else None


def spent_before() -> float:
    """Seconds that killed makings of what is being made had spent when they last kept something."""
    opened = _OPEN.get()
    return opened.place.spent_before if opened else 0.0


def meter_state() -> dict[str, Tensor]:
    """What the open meter shows, under names of its own."""
    meter = _METER.get()
    return {f"meter.{name}": value for name, value in meter.read().items()} if meter else {}


def set_meter(state: State) -> None:
    """Set the open meter to what ``meter_state`` gave."""
    meter = _METER.get()
    if meter is not None:
        meter.set({name[6:]: value for name, value in state.items() if name.startswith("meter.")})


def keeping(what: Sequence[object], module: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> Slot | None:
    """The slot of the training loop that begins now; None where no place is open.

    Args:
        what: settings by which a loop is known: what other settings left is none of its.
        module: what is trained; after ``channels_last``.
        optimizers: of its parameters.
    """
    found = loop((*what, [tuple(one.shape) for one in _tensors(module)]))
    return Slot(found[0], found[1], module, list(optimizers), found[2]) if found else None


def loop(what: Sequence[object]) -> tuple[Place, str, float] | None:
    """Place and name of the loop that begins now, and how many seconds lie between two keepings; None outside."""
    opened = _OPEN.get()
    if opened is None:
        return None
    opened.loops += 1
    known = hashlib.sha256(repr(tuple(what)).encode()).hexdigest()[:16]
    return opened.place, f"{opened.loops}-{known}", float(os.environ.get(VARIABLE) or EVERY_S)


@dataclass
class Slot:
    """What one training loop keeps.

    Args:
        place: where.
        name: of the loop.
        module: what is trained.
        optimizers: of its parameters.
        every_s: seconds between two keepings.
    """

    place: Place
    name: str
    module: nn.Module
    optimizers: list[torch.optim.Optimizer]
    every_s: float
    last: float = field(default_factory=time.monotonic)
    kept: bool = False

    def due(self) -> bool:
        """Whether it is time to keep something again."""
        return time.monotonic() - self.last >= self.every_s

    def keep(self, numbers: Sequence[int], losses: Sequence[float], average: nn.Module | None) -> None:
        """Keep all that the rest of the loop follows from.

        Args:
            numbers: counters of the loop.
            losses: so far.
            average: averaged weights, if any.
        """
        state = {"numbers": torch.tensor(list(numbers)), "losses": torch.tensor(list(losses), dtype=torch.float64)}
        state |= _named("net", self.module) | (_named("average", average) if average is not None else {})
        for number, optimizer in enumerate(self.optimizers):
            for place, parameter in enumerate(_parameters(optimizer)):
                for name, value in optimizer.state[parameter].items():
                    if isinstance(value, Tensor):
                        state[f"optimizer.{number}.{place}.{name}"] = value
        state["random.cpu"] = torch.get_rng_state()
        device = next(self.module.parameters()).device
        if device.type == "cuda":
            state["random.cuda"] = torch.cuda.get_rng_state(device)
        self.place.write(self.name, {name: value.detach().cpu().clone() for name, value in state.items()})
        self.last, self.kept = time.monotonic(), True

    def resume(self, average: nn.Module | None) -> tuple[list[int], list[float]] | None:
        """Put everything where it was; returns counters and losses, or None if nothing was kept."""
        state = self.place.read(self.name)
        if state is None:
            return None
        _fill("net", self.module, state)
        if average is not None:
            _fill("average", average, state)
        for number, optimizer in enumerate(self.optimizers):
            parameters = _parameters(optimizer)
            for name, value in state.items():
                if name.startswith(f"optimizer.{number}."):
                    place, what = name.split(".", 3)[2:]
                    parameter = parameters[int(place)]
                    optimizer.state[parameter][what] = _like(parameter, value)
        torch.set_rng_state(state["random.cpu"].cpu())
        if "random.cuda" in state:
            torch.cuda.set_rng_state(state["random.cuda"].cpu(), next(self.module.parameters()).device)
        self.kept = True
        return [int(one) for one in state["numbers"]], [float(one) for one in state["losses"]]


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _named(kind: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{kind}.{number}": one for number, one in enumerate(_tensors(module))}


@torch.no_grad()
def _fill(kind: str, module: nn.Module, state: State) -> None:
    for number, one in enumerate(_tensors(module)):
        one.copy_(state[f"{kind}.{number}"])


def _parameters(optimizer: torch.optim.Optimizer) -> list[Any]:
    return [one for group in optimizer.param_groups for one in group["params"]]


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """A parameter's moment in the layout and on the device of the parameter; a counter as it is."""
    if value.shape != parameter.shape or not value.ndim:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
