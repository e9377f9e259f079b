"""Searches that can be killed: what has been recovered of the first victims is kept every few minutes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .recovery import Recovery
from .unfinished import Place, State, loop


@dataclass
class Search:
    """A loop over batches of victims. Outside of a place nothing is kept.

    Args:
        count: of the victims.
        parts: what has been recovered so far, one for each batch; of a killed search to begin with.
    """

    count: int
    parts: list[Recovery] = field(default_factory=list)

    def __post_init__(self) -> None:
        found = loop(("search", self.count))
        self._place: Place | None = found[0] if found else None
        self._name, self._every = found[1:] if found else ("", 0.0)
        self._last, self._kept = time.monotonic(), False
        state = self._place.read(self._name) if self._place else None
        if state is not None:
            self.parts, self._kept = _parts(state), True

    def add(self, part: Recovery, *, end: bool) -> None:
        """One more batch.

        Args:
            part: what was recovered of it.
            end: whether it was the last.
        """
        self.parts.append(part)
        due = time.monotonic() - self._last >= self._every
        if self._place is not None and (self._kept if end else due):
            self._place.write(self._name, _state(self.parts))
            self._last, self._kept = time.monotonic(), True


def _state(parts: list[Recovery]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {"count": torch.tensor(len(parts))}
    for number, part in enumerate(parts):
        found = {"images": part.images, "embeddings": part.embeddings}
        found |= {f"attribute.{name}": value for name, value in (part.attributes or {}).items()}
        if part.space is not None:
            found["space"] = torch.tensor(list(part.space.encode()), dtype=torch.uint8)
        state |= {f"{number}.{name}": value.detach().cpu() for name, value in found.items() if value is not None}
    return state


def _parts(state: State) -> list[Recovery]:
    parts = []
    for number in range(int(state["count"])):
        own = {name.split(".", 1)[1]: value for name, value in state.items() if name.startswith(f"{number}.")}
        space = bytes(own["space"].tolist()).decode() if "space" in own else None
        read = {name.split(".", 1)[1]: value for name, value in own.items() if name.startswith("attribute.")}
        parts.append(Recovery(own.get("images"), own.get("embeddings"), space, read or None))
    return parts
