"""How a cell is called on the command line. Imports nothing heavy: the report says it too."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

FILTERS = ("recognizer", "defense", "attack", "surface", "knowledge", "seed")


def reproducing(track: str, labels: Mapping[str, Any]) -> str:
    """The one command that runs a cell again, from what its rows call it (``FILTERS``)."""
    chosen = [f"{key}={labels[key]}" for key in FILTERS if labels[key] != ""] + (
        [] if labels["attack"] else ["attack="]
    )
    return shlex.join(["faceleak", "run", track, *(word for one in chosen for word in ("--only", one))])
