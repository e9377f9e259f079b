"""Run a track: each cell once, in order, kept as it ends. Readable top to bottom.

A finished cell is a folder with its rows; it is never run again. A failed one is a row with its error class, and is
tried again by the next run. Killing the process loses the cell in work and nothing else; asking it to stop (Ctrl-C)
also leaves the tables of what has ended. The tables follow from the cells, whenever they differ from these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from ..core.errors import TrackError
from ..core.matching import matching
from ..core.progress import Progress
from ..core.registry import nearest
from ..isolation.roots import publish_root
from ..measure.parts import differs, measurements_of
from ..plan.cells import Cell, cells, roles
from ..plan.saturation import last_steps
from ..plan.track import Track
from ..prepare.session import Session
from ..record.cell_files import damage, has_ended, read_state
from ..record.command import FILTERS
from ..store.store import Store
from .belonging import Earlier, earlier, settle_whose
from .cell import cell_key, run_cell
from .collect import Collected, collect
from .manifest import about_run, same_run, write_manifest, write_tables
from .provenance import now


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Args:
        out: run folder.
        store: artefacts.
        device: ``cpu``, ``cuda``, ...
        only: (key, label or shell pattern) filters on cells: a cell must match one of each key's.
        again: words that a cell's command repeats: where its plug-ins come from, seeds that are not the track's.
        command: the command line, for provenance.
        progress: where progress goes.
        origin: where the track came from, as ``origin_of`` says it.
        in_process: attacks run in the harness's process: for debugging, and marked.
    """

    out: Path
    store: Path
    device: torch.device
    only: tuple[tuple[str, str], ...] = ()
    again: tuple[str, ...] = ()
    command: str = ""
    progress: Progress = field(default_factory=Progress)
    origin: str = ""
    in_process: bool = False


@dataclass(frozen=True)
class RunSummary:
    """What a run did."""

    done: int  # cells run now
    kept: int  # cells that were there already
    failed: int
    results: Path
    changed: bool = False  # results.csv or failures.csv said something else before
    notes: tuple[str, ...] = ()  # what a user must know of the cells that stand in the folder


def run_track(track: Track, options: RunOptions) -> RunSummary:
    """Run all cells that are not there yet, then write ``results.csv`` of every cell of the track that has ended.

    Raises:
        TrackError: no cell matches, or the run folder belongs to another track.
    """
    # As use_deterministic_algorithms(True, warn_only=True) does, without importing the compiler: seconds, and only an
    # optimiser needs it.
    torch.set_deterministic_debug_mode("warn")
    run = _Run(track, options)
    wanted = {key: cell for key, cell in run.planned.items() if cell.seed in track.seeds}
    chosen = {id(cell) for cell in selected(list(wanted.values()), options.only, track.name)}
    wanted = {key: cell for key, cell in wanted.items() if id(cell) in chosen}
    left = {key: cell for key, cell in wanted.items() if run.is_left(key)}
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        failed, changed = run.through(left)
    finally:  # also when it is refused or asked to stop
        run.session.close()
    kept = len(wanted) - len(left)
    return RunSummary(len(left), kept, failed, options.out / "results.csv", changed, tuple(run.notes))


class _Run:
    """A run folder while a track runs into it."""

    def __init__(self, track: Track, options: RunOptions) -> None:
        self.track, self.options, self.started = track, options, now()
        self.session = Session(track, Store(options.store), options.device, options.progress)
        self.session.in_process, self.session.out = self.session.in_process or options.in_process, options.out
        self.folder, self.curves = options.out / "cells", last_steps(track.attacks)
        self.roles = roles(track.attacks)
        before = earlier(options.out)
        self.planned = self._plan(before)
        plan = {key: self._labels(cell) for key, cell in self.planned.items()}
        self.notes = settle_whose(before, options.out, track.name, options.origin, plan)

    def _plan(self, before: Earlier) -> dict[str, Cell]:
        """The track's cells by key, of its own seeds and of those that were run before: seeds add up."""
        self.seeds = sorted({*self.track.seeds, *before.seeds})
        every = cells(self.track.model_copy(update={"seeds": tuple(self.seeds)}))
        return {cell_key(self.session, cell): cell for cell in every}

    def _labels(self, cell: Cell) -> Mapping[str, Any]:
        return cell.labels() | {"dataset": self.track.dataset.name}

    def is_left(self, key: str) -> bool:
        """Whether a cell must be run: not there, failed, or there with files that cannot be read."""
        folder = self.folder / key
        if not has_ended(folder):
            return True
        if wrong := damage(folder):
            self.notes.append(f"{wrong} The cell is run again.")
            return True
        if read_state(folder)["status"] == "failed":
            return True
        return differs(folder, measurements_of(self.track.protocol, self.planned[key]))

    def through(self, left: Mapping[str, Cell]) -> tuple[int, bool]:
        """Run cells, then settle. Returns how many failed and whether a table changed."""
        if left:
            if not self.session.in_process:
                self.session.processes.begin()  # imports what attacks need while data is read
            self.write_about(self.collected(), "running")
        failed, say = 0, self.options.progress.say
        try:
            for number, (key, cell) in enumerate(left.items(), 1):
                say(f"[{number}/{len(left)}] {cell}")
                failed += not run_cell(self.session, cell, self.folder / key, self.options.progress, self.options.again)
        finally:  # also when it is asked to stop
            changed = self.settle()
        return failed, changed

    def collected(self) -> Collected:
        """The cells that have ended, with the flags that need more than one."""
        return collect(self.folder, self.planned, self.curves, self.roles)

    def settle(self) -> bool:
        """Make the tables and the manifest say what the cells' files say. Returns whether a table changed."""
        with FileLock(self.options.out / ".lock"):  # another process may have run other cells, or seeds, meanwhile
            self.planned = self._plan(earlier(self.options.out))
            found = self.collected()
            self.notes += [f"{wrong} Its rows are missing." for wrong in found.unreadable.values()]
            changed = write_tables(found, self.options.out)
            whole = found.finished == len(self.planned)
            if whole:
                publish_root(self.session.root, self.options.out)
            self.write_about(found, "finished" if whole else f"partial: {found.finished} of {len(self.planned)} cells")
        return changed

    def write_about(self, found: Collected, state: str) -> None:
        """The manifest, unless it says all that already."""
        about = about_run(self.session, self.planned, self.seeds, self.options.command)
        about |= {"origin": self.options.origin, "ended": len(found.cells), "state": state}
        about |= {"curves": [list(step) for step in self.curves], "roles": self.roles}
        if not same_run(self.options.out, about):
            about |= {"started": self.started, "finished": None if state == "running" else now()}
            write_manifest(self.session, self.options.out, about, found)


def parse_only(words: list[str]) -> tuple[tuple[str, str], ...]:
    """``attack=decoder`` -> ("attack", "decoder").

    Raises:
        TrackError: not key=pattern, or an unknown key.
    """
    found = []
    for word in words:
        key, equals, pattern = word.partition("=")
        if not equals or key not in FILTERS:
            raise TrackError(f"--only {word!r}: expected key=pattern; {nearest(key, list(FILTERS))}")
        found.append((key, pattern))
    return tuple(found)


def selected(listed: Sequence[Cell], only: tuple[tuple[str, str], ...], track: str) -> list[Cell]:
    """Those that match one pattern of every key.

    Raises:
        TrackError: a pattern is that of no cell, or no cell matches all keys.
    """
    chosen = list(listed)
    for key in dict.fromkeys(key for key, _ in only):
        labels = {str(cell.labels()[key]) for cell in listed}
        patterns = [pattern for other, pattern in only if other == key]
        for pattern in patterns:
            if not matching([pattern], labels):
                raise TrackError(
                    f"--only {key}={pattern}: no cell of {track!r}; {nearest(pattern, list(labels - {''}))}"
                )
        meant = matching(patterns, labels)
        chosen = [cell for cell in chosen if str(cell.labels()[key]) in meant]
    if not chosen:
        asked = " ".join(f"--only {key}={pattern}" for key, pattern in only)
        raise TrackError(f"No cell of {track!r} matches {asked} at once; leave one of them out.")
    return chosen
