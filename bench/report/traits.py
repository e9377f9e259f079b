"""What each defence is for and what it keeps secret: what the pages filter by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from ..core.errors import FaceleakError
from .load import RunFolder
from .rows import UNDEFENDED

Traits = dict[str, dict[str, str]]  # defence -> filter -> value


def traits_of(run: RunFolder) -> Traits:
    """``goal`` and ``secret`` of every defence that is known; the undefended system, a reference, has none.

    The manifest says it. A run from before that is asked which plug-ins it used; one that is not here stays unknown.
    """
    told = _map(run.manifest.get("defenses"))
    found = {str(name): _map(part) for name, part in told.items()} if told else dict(_from_plugins(run))
    return {
        name: {"goal": str(part.get("goal", "")), "secret": " and ".join(map(str, part.get("secrets") or ())) or "none"}
        for name, part in found.items()
        if name != UNDEFENDED
    }


def _from_plugins(run: RunFolder) -> Iterator[tuple[str, Mapping[str, Any]]]:
    from ..plan.cells import defense_traits, make_defense  # imports every plug-in, and torch
    from ..plan.track import DefenseSpec

    entries = _map(run.run.get("resolved")).get("defenses")
    for entry in entries if isinstance(entries, list) else ():
        try:
            spec = DefenseSpec.model_validate(entry)
            yield spec.title, defense_traits(make_defense(spec))
        except (ValidationError, FaceleakError):
            continue


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
