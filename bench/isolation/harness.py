"""The harness's side: it starts attack's processes, grants or refuses what they ask, and checks what they hand back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..core.context import AttackContext, Weights
from ..core.errors import ContractError, ThreatModelError
from ..core.leaks import Leak
from ..core.recovery import Recovery
from ..core.threat import RecognizerAccess
from .attacker import Fitted, Handed
from .child import Start
from .host import Host, Keeper, tensors_of
from .processes import Processes, pickled
from .wire import Answers, Peer


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
        self._processes, self._context, self._fitting = processes, context, fitting
        self._now = context  # what is granted at this moment
        self._host = Host(processes, context.public, keeper, lambda: tensors_of(self._peer.call("make")))
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
        return Fitted(tensors_of(found["state"]), losses, float(found["still_falling"]), float(found["kept"]))

    def load(self, state: Weights) -> None:
        self._now = self._fitting
        try:
            self._peer.call("load", state=state)
        finally:
            self._now = self._context

    def recover(self, handed: Handed) -> Recovery:
        self._host.keeps = False  # nothing of the victims outlives this process
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
        own = ("recognizer", "defense", "secrets", "surrogate_embeddings")
        return answers | self._host.answers() | {word: getattr(self, f"_{word}") for word in own}

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
