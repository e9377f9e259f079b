"""Whose a run folder is, and what its ``results.csv`` is about: one track, with all seeds that have been run.

A track may be edited and run again into its folder: ``results.csv`` follows the track as it is now, what left it stays
in ``cells/`` and is named. Another track takes a folder over only if it has all cells that stand there; else it is
refused, because its rows would push out theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import TrackError
from ..core.json_file import read_json
from ..record.cell_files import CellError, read_state

Labels = Mapping[str, Any]
_WHO = ("dataset", "recognizer", "defense", "attack", "surface", "knowledge")


@dataclass(frozen=True)
class Earlier:
    """What earlier runs left in a folder.

    Args:
        tracks: whose the folder is; empty where nobody's, several names where only the cells' own files tell.
        origin: where that track came from, as ``origin_of`` says it; None where unknown.
        plan: cell key -> labels, as planned by the last run.
        ended: cell key -> labels of all cells that have ended here, planned or not.
    """

    tracks: frozenset[str]
    origin: str | None
    plan: Mapping[str, Labels]
    ended: Mapping[str, Labels]

    @property
    def seeds(self) -> set[int]:
        """Of the cells that have ended."""
        return {one["seed"] for one in self.ended.values() if isinstance(one.get("seed"), int)}


def origin_of(track: str) -> str:
    """Tells two track files of one name apart without writing down where they lie; "" for a built-in one."""
    if not track.endswith(".toml"):
        return ""
    return hashlib.sha256(str(Path(track).resolve()).encode()).hexdigest()[:12]


def earlier(out: Path) -> Earlier:
    """Read what is there; where run.json is broken or of an older version, the cells' own files say whose it is."""
    try:
        run = read_json(out / "run.json")
    except (OSError, ValueError):
        run = {}
    run = run if isinstance(run, dict) else {}
    ended: dict[str, Labels] = {}
    names: set[str] = set()
    for folder in sorted((out / "cells").glob("*/")):
        try:
            state = read_state(folder)
        except CellError:
            continue
        ended[folder.name] = state["cell"]
        names.add(str(state.get("track") or ""))
    if ended and run.get("track"):
        names = {str(run["track"])}
    plan = run.get("plan")
    if not isinstance(plan, dict) or not all(isinstance(labels, dict) for labels in plan.values()):
        return Earlier(frozenset(names), None, dict(ended), ended)
    return Earlier(frozenset(names), str(run.get("origin") or ""), plan, ended)


def settle_whose(before: Earlier, out: Path, track: str, origin: str, planned: Mapping[str, Labels]) -> list[str]:
    """What must be said about the cells that stand in the folder.

    Args:
        before: as ``earlier`` read it.
        out: the run folder, for messages.
        track: name of the track that is to run.
        origin: of ``origin_of``.
        planned: cell key -> labels of that track, of every seed in use.

    Raises:
        TrackError: the folder belongs to another track.
    """
    now = {_who(labels) for labels in planned.values()}
    standing = {key: before.ended[key] for key in before.plan if key in before.ended and key not in planned}
    gone = {key: labels for key, labels in standing.items() if _who(labels) not in now}
    if standing and before.tracks and track not in before.tracks:
        raise TrackError(
            f"{out} holds the run of another track, {' and '.join(sorted(before.tracks))!r}, and {track!r} has not all "
            f"of its {_cells(len(before.ended))}. A run folder belongs to one track; give this one a folder of its own "
            "with --out."
        )
    if gone and before.origin not in (None, origin):
        raise TrackError(
            f"{out} holds the run of another track that is called {track!r} too: this one has no {_told(gone)}. A run "
            "folder belongs to one track; give this one a folder of its own with --out."
        )
    notes = []
    if gone:
        notes.append(
            f"The folder holds {_cells(len(gone))} that track {track!r} no longer has ({_told(gone)}): not in "
            "results.csv any more; their folders stay in cells/."
        )
    if other := len(standing) - len(gone):
        notes.append(
            f"The folder holds {_cells(other)} made with other code, data or settings than now: not in results.csv "
            "any more, and run again where this run asks for them; their folders stay in cells/."
        )
    return notes


def _who(labels: Labels) -> tuple[str, ...]:
    return tuple(str(labels.get(name, "")) for name in _WHO)


def _told(gone: Mapping[str, Labels]) -> str:
    named = sorted({" / ".join(word for word in _who(labels)[1:] if word) for labels in gone.values()})
    return "; ".join(named[:3]) + (f"; and {len(named) - 3} more" if len(named) > 3 else "")


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"
