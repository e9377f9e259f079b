"""How a cell is called on the command line. Imports nothing heavy: the report says it too."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

FILTERS = ("recognizer", "defense", "attack", "surface", "knowledge", "seed")


def reproducing(track: str, labels: Mapping[str, Any], again: Sequence[str] = ()) -> str:
    """The one command that runs a cell again.

    Args:
        track: its name, or the path of its file.
        labels: what the cell's rows call it (``FILTERS``).
        again: further words without which the track has no such cell.
    """
    chosen = [f"{key}={labels[key]}" for key in FILTERS if labels[key] != ""] + (
        [] if labels["attack"] else ["attack="]
    )
    return shlex.join(["faceleak", "run", track, *again, *(word for one in chosen for word in ("--only", one))])
