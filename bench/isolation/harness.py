"""The harness's side: it starts attack's processes, grants or refuses what they ask, and checks what they hand back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ..core.context import AttackContext, Weights
from ..core.errors import ContractError, ThreatModelError
from ..core.leaks import Leak
from ..core.recovery import Recovery
from ..core.threat import RecognizerAccess
from ..core.unfinished import current_place
from .attacker import Fitted, Handed
from .child import Start
from .processes import Processes, pickled
from .wire import Answers, Peer

Keeper = Callable[[str, Mapping[str, Any], str, Callable[[], Weights]], Weights]


class RemoteAttacker:
    """An attack in a process of its own.

    Args:
        processes: where to fork it.
        start: what it is told.
        context: what is granted, by the real target; only this end holds it.
        keeper: keeps what attacks share: (name, what else it depends on, module of the maker, maker).
        fitting: as ``context``, while it learns.
    """

    isolated = True

    def __init__(
        self, processes: Processes, start: Start, context: AttackContext, keeper: Keeper, fitting: AttackContext
    ) -> None:
        self._processes, self._context, self._fitting, self._keeper = processes, context, fitting, keeper
        self._now = context  # what is granted at this moment
        self._keeps = True
        self._peer = Peer(processes.fork(), self._answers(), processes.device)
        self._peer.call("start", content=pickled(start), device=str(processes.device))

    def check(self, sample: Leak) -> None:
        self._peer.call("check", sample=sample)

    def fit(self) -> Fitted:
        self._now = self._fitting
        try:
            found = self._peer.call("fit")
        finally:
            self._now = self._context
        losses = [float(x) for x in found["losses"]]
        return Fitted(_tensors(found["state"]), losses, float(found["still_falling"]), float(found["kept"]))

    def load(self, state: Weights) -> None:
        self._now = self._fitting
        try:
            self._peer.call("load", state=state)
        finally:
            self._now = self._context

    def recover(self, handed: Handed) -> Recovery:
        self._keeps = False  # nothing of the victims outlives this process
        found = self._peer.call(
            "recover", leaks=handed.leaks, ids=handed.ids, joined=handed.joined, photographs=handed.photographs
        )
        unknown = set(found) - {"images", "embeddings", "space", "attributes"}
        if unknown:
            raise ContractError(f"A recovery has no {sorted(unknown)}.")
        parts: dict[str, Any] = {
            name: value.float() if isinstance(value, Tensor) else value for name, value in found.items()
        }
        return Recovery(**parts)  # checks shapes and ranges on this side

    def costs(self) -> tuple[int, float]:
        params, peak = self._peer.call("costs")
        return int(params), float(peak)

    def close(self) -> None:
        self._peer.close()

    def _answers(self) -> Answers:
        asked = ("leak", "pairs", "all_pairs", "example", "query", "embed", "public_embeddings", "scores",
                 "public_scores", "cut")  # fmt: skip
        counted = ("pair_budget", "n_pairs", "n_queries", "queries_per_victim")
        answers: dict[str, Callable[..., Any]] = {
            word: lambda word=word, **body: getattr(self._now.target, word)(**body) for word in asked
        }
        answers |= {word: lambda word=word: getattr(self._now.target, word) for word in counted}
        own = ("recognizer", "defense", "secrets", "surrogate_embeddings", "attributes", "anatomy", "resized", "keep",
               "unfinished", "keep_unfinished")  # fmt: skip
        return answers | {word: getattr(self, f"_{word}") for word in own}

    def _recognizer(self) -> bytes:
        return self._processes.copy(self._now.target.recognizer)

    def _defense(self) -> dict[str, Any]:
        target = self._now.target
        system = target.defense
        copy = pickled(system, left_out=system.recognizer)
        white = target.threat.grants(RecognizerAccess.WHITE_BOX)
        net = system.recognizer
        return {"defense": copy, "white": white, "dim": int(net.dim), "size": int(getattr(net, "size", 0))}

    def _secrets(self) -> bytes:
        return pickled(self._now.target.secrets)

    def _surrogate_embeddings(self) -> Tensor:
        if self._now.surrogate_embeddings is None:
            raise ThreatModelError("The adversary has no recogniser of its own here.")
        return self._now.surrogate_embeddings()

    def _attributes(self) -> bytes:
        return pickled(self._context.public.attributes)

    def _anatomy(self, index: Tensor) -> bytes:
        return pickled(self._context.public.anatomy(index))

    def _resized(self, size: int) -> str:
        return str(self._processes.pixels(self._context.public, int(size)))

    def _keep(self, name: str, depends: Mapping[str, Any], module: str) -> Weights:
        if not self._keeps:
            raise ThreatModelError(
                "What attacks share is made while they learn, not when they hold the victims' leaks."
            )
        return self._keeper(name, depends, module, lambda: _tensors(self._peer.call("make")))

    def _unfinished(self, name: str) -> dict[str, Any]:
        """Whether a loop may keep itself, and what a killed one left. A place is one fit's, or one turn's of a cell."""
        place = current_place()
        state = place.read(name) if place else None
        return {"open": place is not None, "state": dict(state) if state else None}

    def _keep_unfinished(self, name: str, state: Any) -> None:
        place = current_place()
        if place is not None:
            place.write(name, _tensors(state))


def _tensors(found: Any) -> dict[str, Tensor]:
    """Tensors by name, and nothing else.

    Raises:
        ContractError: anything else.
    """
    if not isinstance(found, dict) or not all(isinstance(one, Tensor) for one in found.values()):
        raise ContractError("An attack's process handed back something other than tensors by name.")
    return found
