"""What the harness does for every plug-in's process: its pictures, what is kept for others, what is unfinished."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import Tensor

from ..core.context import Weights
from ..core.errors import ContractError, ThreatModelError
from ..core.faces import FaceSet
from ..core.unfinished import current_place
from .processes import Processes, pickled

Keeper: TypeAlias = "Callable[[str, Mapping[str, Any], str, Callable[[], Weights]], Weights]"


class Host:
    """Answers to a plug-in's process.

    Args:
        processes: where the files are that it maps.
        faces: whose pictures it has; None: nobody's.
        keeper: keeps what plug-ins share: (name, what else it depends on, module of the maker, maker).
        make: has that process make what it asked for.
    """

    def __init__(
        self, processes: Processes, faces: FaceSet | None, keeper: Keeper, make: Callable[[], Weights]
    ) -> None:
        self._processes, self._faces, self._keeper, self._make = processes, faces, keeper, make
        self.keeps = True

    def answers(self) -> dict[str, Callable[..., Any]]:
        """By the word that is asked."""
        own = ("attributes", "anatomy", "resized", "keep", "unfinished", "keep_unfinished")
        return {word: getattr(self, f"_{word}") for word in own}

    def _own(self) -> FaceSet:
        if self._faces is None:
            raise ThreatModelError("This process was handed no pictures.")
        return self._faces

    def _attributes(self) -> bytes:
        return pickled(self._own().attributes)

    def _anatomy(self, index: Tensor) -> bytes:
        return pickled(self._own().anatomy(index))

    def _resized(self, size: int) -> str:
        return str(self._processes.pixels(self._own(), int(size)))

    def _keep(self, name: str, depends: Mapping[str, Any], module: str) -> Weights:
        if not self.keeps:
            raise ThreatModelError(
                "What attacks share is made while they learn, not when they hold the victims' leaks."
            )
        return self._keeper(name, depends, module, self._make)

    def _unfinished(self, name: str) -> dict[str, Any]:
        """Whether a loop may keep itself, and what a killed one left. A place is one fit's, or one turn's of a cell."""
        place = current_place()
        state = place.read(name) if place else None
        return {"open": place is not None, "state": dict(state) if state else None}

    def _keep_unfinished(self, name: str, state: Any) -> None:
        place = current_place()
        if place is not None:
            place.write(name, tensors_of(state))


def tensors_of(found: Any) -> dict[str, Tensor]:
    """Tensors by name, and nothing else.

    Raises:
        ContractError: anything else.
    """
    if not isinstance(found, dict) or not all(isinstance(one, Tensor) for one in found.values()):
        raise ContractError("A plug-in's process handed back something other than tensors by name.")
    return found
