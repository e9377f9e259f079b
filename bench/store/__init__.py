"""Where artefacts are kept, by what they are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .store import Store as Store


def __getattr__(name: str) -> Any:
    """``Store``, imported when it is asked for: files of this room that need no torch are read without it."""
    if name == "Store":
        from .store import Store

        return Store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
