"""Run a track: each cell once, kept as it ends. Readable top to bottom; who runs the cells, ``engines`` chooses.

A finished cell is a folder with its rows; it is never run again. A failed one is a row with its error class, and is
tried again by the next run. Killing the process loses the cell in work and nothing else; asking it to stop (Ctrl-C)
also leaves the tables of what has ended. The tables follow from the cells, whenever they differ from these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import TrackError
from ..core.matching import matching
from ..core.registry import nearest
from ..execute.pace import Pace
from ..execute.task import Ended, Task
from ..isolation.roots import publish_root
from ..isolation.scratch import sweep_scratch
from ..plan.cells import Cell, cells, roles
from ..plan.saturation import curves, last_steps
from ..plan.track import Track
from ..record.cell_files import STATE, damage, has_ended
from ..record.command import FILTERS
from ..store.remote import bring
from ..store.sweep import sweep_all
from .belonging import Earlier, earlier, settle_whose
from .cell import cell_key, lost_cell
from .collect import Collected, collect
from .engines import engine
from .folder import locked
from .graph import RunCell, tasks_of
from .manifest import about_run, same_run, write_manifest, write_tables
from .options import RunOptions as RunOptions
from .provenance import now
from .work import CellDone, CellWork, is_left, labels_of, open_session, prepare_torch


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
    prepare_torch()
    run = _Run(track, options)
    try:
        wanted = {key: cell for key, cell in run.planned.items() if cell.seed in track.seeds}
        chosen = {id(cell) for cell in selected(list(wanted.values()), options.only, track.name)}
        wanted = {key: cell for key, cell in wanted.items() if id(cell) in chosen}
        left = {key: cell for key, cell in wanted.items() if run.is_left(key)}
        run.folder.mkdir(parents=True, exist_ok=True)
        changed = run.through(left)
    finally:  # also when it is refused or asked to stop
        run.session.close()
    kept = len(wanted) - run.done
    return RunSummary(run.done, kept, run.failed, options.out / "results.csv", changed, tuple(run.notes))


class _Run:
    """A run folder while a track runs into it."""

    def __init__(self, track: Track, options: RunOptions) -> None:
        self.track, self.options, self.started = track, options, now()
        self.session = open_session(track, options)
        self.folder, self.curves = options.out / "cells", last_steps(track.attacks)
        self.stepped = [curve.points for curve in curves(track.attacks) if curve.axis == "steps"]
        self.roles = roles(track.attacks)
        self.done = self.failed = 0
        if options.workers > 1 and not options.ray:
            self.session.processes.begin()  # imports what workers need while data is read
        before = earlier(options.out)
        self.planned = self._plan(before)
        plan = {key: labels_of(track, cell) for key, cell in self.planned.items()}
        self.notes = settle_whose(before, options.out, track.name, options.origin, plan)

    def _plan(self, before: Earlier) -> dict[str, Cell]:
        """The track's cells by key, of its own seeds and of those that were run before: seeds add up."""
        self.seeds = sorted({*self.track.seeds, *before.seeds})
        every = cells(self.track.model_copy(update={"seeds": tuple(self.seeds)}))
        return {cell_key(self.session, cell): cell for cell in every}

    def is_left(self, key: str) -> bool:
        """Whether a cell must be run; one whose files cannot be read is named."""
        if has_ended(self.folder / key) and (wrong := damage(self.folder / key)):
            self.notes.append(f"{wrong} The cell is run again.")
        return is_left(self.track, self.folder / key, self.planned[key])

    def through(self, left: Mapping[str, Cell]) -> bool:
        """Run cells, then settle. Returns whether a table changed."""
        try:
            if left:
                self._run(left)
        finally:  # also when it is asked to stop
            changed = self.settle()
        return changed

    def _run(self, left: Mapping[str, Cell]) -> None:
        tasks = tasks_of(self.session, left)
        self.pace = Pace([task for task in tasks if not task.ahead], self.options.workers)
        executor = engine(self.options, self.session, CellWork(self.track, self.options, self.session), self._begun)
        try:
            with locked(self.options.out):
                self.write_about(self.collected(), "running")
            executor.run(tasks, self._told)
        finally:
            executor.close()

    def _begun(self, task: Task) -> None:
        self.options.progress.say(f"[{self.pace.ended + 1}/{self.pace.total}] {task.title}")

    def _told(self, ended: Ended) -> None:
        """A task has ended: count it, and where others work, say how far they are."""
        what, done = ended.task.what, ended.result
        if ended.lost and isinstance(what, RunCell):
            lost_cell(self.session, what.cell, self.folder / what.key, ended.lost, self.options.again)
            done = CellDone(what.key, failed=True)
        if not isinstance(done, CellDone):
            return
        if done.files:  # of a machine that has no run folder
            bring(self.folder / done.key, dict(done.files), STATE)
        self.done += not done.kept
        self.failed += done.failed
        self.pace.add(ended)
        if self.options.workers > 1 or self.options.ray:
            self.options.progress.say(
                f"[{self.pace.ended}/{self.pace.total}] {ended.task.title}{self.pace.told(ended)}"
            )

    def collected(self) -> Collected:
        """The cells that have ended, with the flags that need more than one."""
        return collect(self.folder, self.planned, self.curves, self.roles)

    def settle(self) -> bool:
        """Make the tables and the manifest say what the cells' files say. Returns whether a table changed."""
        sweep_all(self.options.store)
        sweep_scratch()
        with locked(self.options.out):  # another process may have run other cells, or seeds, meanwhile
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
        about |= {"curves": [list(step) for step in self.curves], "stepped": self.stepped, "roles": self.roles}
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
