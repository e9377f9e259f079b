"""Two defences in a row, each at its own stages."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import ContractError
from ..bench.core.leaks import Leak
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Surface
from ..bench.core.training import TrainLog
from .base import Defense, overrides


class Compose(Defense):
    """``first`` then ``second``: the stages chained, for example a wire defence and a template defence.

    Declared in a track as a list of two names. Both are fitted; ``second`` sees the embeddings of ``first``.
    """

    def __init__(self, first: Defense, second: Defense) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.parts = (first, second)

    def _build(self, context: FitContext) -> None:
        for part in self.parts:
            object.__setattr__(part, "recognizer", context.recognizer)
            part._build(context)

    def _fit(self, context: FitContext) -> None:
        for part in self.parts:
            part._fit(context)

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        return self.second.publish(self.first.publish(images, secret), secret)

    def transmit(self, images: Tensor, secret: SecretDraw) -> Leak:
        sent = self.first.transmit(images, secret)
        if not overrides(self.second, "transmit"):
            return sent
        if isinstance(sent, dict) or sent.shape[1] != 3:
            raise ContractError(f"{self.second.name} cannot transmit what {self.first.name} already transformed.")
        return self.second.transmit(sent, secret)

    def embed(self, wire: Leak) -> Tensor:
        return (self.first if overrides(self.first, "embed") else self.second).embed(wire)

    def enroll(self, embeddings: Tensor, secret: SecretDraw) -> Leak:
        return self._chain("enroll", embeddings, secret)

    def probe(self, embeddings: Tensor, secret: SecretDraw) -> Leak:
        return self._chain("probe", embeddings, secret)

    def compare(self, templates: Leak, probes: Leak) -> Tensor:
        acts = overrides(self.second, "compare") or not overrides(self.first, "compare")
        return (self.second if acts else self.first).compare(templates, probes)

    @property
    def person_keyed(self) -> bool:
        return self.second.person_keyed or self.first.person_keyed

    def strip_key(self, templates: Leak, secret: SecretDraw) -> Tensor:
        if self.first.person_keyed:
            raise ContractError(f"{self.first.name}: of two defences in a row the second may have keys of persons.")
        return self.second.strip_key(templates, secret)

    def _chain(self, stage: str, embeddings: Tensor, secret: SecretDraw) -> Leak:
        middle = getattr(self.first, stage)(embeddings, secret)
        if not overrides(self.second, stage):
            return middle  # type: ignore[no-any-return]
        return getattr(self.second, stage)(middle, secret)  # type: ignore[no-any-return]

    def trainings(self) -> dict[str, TrainLog]:
        return {f"{part.name} {what}": log for part in self.parts for what, log in part.trainings().items()}

    def properties(self) -> dict[str, float | str]:
        return self.first.properties() | self.second.properties()

    @property
    def embedding_fixed(self) -> bool:
        return all(part.embedding_fixed for part in self.parts)

    @property
    def plain_embedding(self) -> bool:
        return all(part.plain_embedding for part in self.parts)

    @property
    def keyed_templates(self) -> bool:
        return any(part.keyed_templates for part in self.parts)

    def randomised(self, surface: Surface) -> bool:
        return any(part.randomised(surface) for part in self.parts)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "parts": [part.describe() for part in self.parts]}


def compose(first: Defense, second: Defense) -> Compose:
    """A ``Compose`` that carries the union of both parts' declarations."""
    declared = {
        "name": f"{first.name}+{second.name}",
        "protects": first.protects,
        "goal": first.goal,
        "secrets": first.secrets | second.secrets,
        "fidelity": first.fidelity if first.fidelity == second.fidelity else Fidelity.SIMPLIFIED,
        "claims": f"{first.claims} {second.claims}".strip(),
        "__doc__": Compose.__doc__,
        "__module__": Compose.__module__,
    }
    kind: type[Compose] = type("Compose", (Compose,), declared)
    return kind(first, second)
