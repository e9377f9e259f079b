"""Run a track: each cell once, in order, kept as it ends. Readable top to bottom.

A finished cell is a folder with its rows; it is never run again. A failed one is a row with its error class, and is
tried again by the next run. Killing the process loses the cell in work and nothing else.
"""

from __future__ import annotations

import fnmatch
import json
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from .command import FILTERS, reproducing
from .core.code import code_of
from .core.errors import TrackError
from .core.progress import Progress
from .core.registry import nearest
from .execute import attributes_sha, run_attack
from .execute_ensemble import run_ensemble
from .plan import Cell, cells, make_attack, make_defense
from .recipe import Recipe
from .records import collect, common, now, plain, write_failures, write_manifest
from .schema import SCORES, Row, status_of, write_results
from .scoring import Scored, score_attack
from .session import Session
from .store import Store
from .track import DefenseSpec, Track
from .utility import score_utility


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Args:
        out: run folder.
        store: artefacts.
        device: ``cpu``, ``cuda``, ...
        only: (key, shell pattern) filters on cells; a cell must match all of them.
        command: the command line, for provenance.
        progress: where progress goes.
    """

    out: Path
    store: Path
    device: torch.device
    only: tuple[tuple[str, str], ...] = ()
    command: str = ""
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class RunSummary:
    """What a run did."""

    done: int  # cells run now
    kept: int  # cells that were there already
    failed: int
    results: Path


def run_track(track: Track, options: RunOptions) -> RunSummary:
    """Run all cells that are not there yet, then write ``results.csv`` of every cell of the track that has ended."""
    # As use_deterministic_algorithms(True, warn_only=True) does, without importing the compiler: seconds, and only an
    # optimiser needs it.
    torch.set_deterministic_debug_mode("warn")
    started = now()
    session = Session(track, Store(options.store), options.device, options.progress)
    planned = {cell_key(session, cell): cell for cell in cells(track)}
    wanted = {key: cell for key, cell in planned.items() if _selected(cell, options.only)}
    if not wanted:
        raise TrackError(f"No cell of {track.name!r} matches {dict(options.only)}; `faceleak list tracks` shows them.")
    folder, results = options.out / "cells", options.out / "results.csv"
    left = {key: cell for key, cell in wanted.items() if not _finished(folder / key)}
    if not left and results.is_file():
        return RunSummary(0, len(wanted), 0, results)
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(session, options.out, options.command, started, planned)
    failed = 0
    for number, (key, cell) in enumerate(left.items(), 1):
        options.progress.say(f"[{number}/{len(left)}] {cell}")
        failed += not run_cell(session, cell, folder / key, options.progress)
    write_results(collect(folder, list(planned)), results)
    write_failures(folder, list(planned), options.out / "failures.csv")
    ended = sum(_finished(folder / key) for key in planned)
    state = "finished" if ended == len(planned) else f"partial: {ended} of {len(planned)} cells"
    write_manifest(session, options.out, options.command, started, planned, state=state)
    return RunSummary(len(left), len(wanted) - len(left), failed, results)


def run_cell(session: Session, cell: Cell, folder: Path, progress: Progress) -> bool:
    """Run one cell into its folder; whatever happens becomes rows. Returns whether it did not fail."""
    folder.mkdir(exist_ok=True)
    start = time.perf_counter()
    error: BaseException | None = None
    try:
        status, scored = "ok", _score(session, cell)
    except Exception as caught:  # a failed cell is a row, never a hole
        status, error, scored = status_of(caught), caught, Scored([])
        if status == "failed":
            (folder / "traceback.txt").write_text(traceback.format_exc())
            progress.say(f"  failed: {type(caught).__name__}: {caught}")
    rows = scored.rows or [{"metric": "cell"}]
    shared = common(session, cell, folder.name) | {"status": status}
    state: dict[str, Any] = {
        "status": status,
        "cell": cell.labels() | {"dataset": session.track.dataset.name},
        "error": {"class": type(error).__name__, "message": str(error)} if error else None,
        "command": reproducing(session.track.name, cell.labels()),
        "flags": scored.flags,
        "absent": scored.absent,
        "still_falling": scored.still_falling,
        "seconds": time.perf_counter() - start,
    }
    for row in rows:
        row.setdefault("flags", ",".join(sorted({flag["flag"] for flag in scored.flags})))
    _save(folder, scored, [shared | row for row in rows], state)
    return status != "failed"


def _score(session: Session, cell: Cell) -> Scored:
    if cell.attack is None:
        return score_utility(session, cell)
    outcome, members = run_ensemble(session, cell) if cell.members else (run_attack(session, cell), [])
    scored = score_attack(session, cell, outcome)
    scored.rows += members
    return scored


def _save(folder: Path, scored: Scored, rows: list[Row], state: Mapping[str, Any]) -> None:
    """The state comes last: its presence says that the cell is complete."""
    if scored.kept:
        np.savez(folder / SCORES, allow_pickle=False, **scored.kept)
    if scored.scores is not None:
        scored.scores.to_parquet(folder / "scores.parquet")
    if scored.pictures:
        save_file(scored.pictures, folder / "pictures.safetensors")
    if scored.losses:
        pd.DataFrame({"step": range(len(scored.losses)), "loss": scored.losses}).to_csv(
            folder / "loss.csv", index=False
        )
    (folder / "rows.json").write_text(json.dumps(rows, default=plain))
    temporary = folder / "state.tmp"
    temporary.write_text(json.dumps(state, indent=1, default=plain))
    temporary.replace(folder / "state.json")


def cell_key(session: Session, cell: Cell) -> str:
    """Hash of everything that a cell's numbers depend on."""
    return cell_recipe(session, cell).key


def cell_recipe(session: Session, cell: Cell) -> Recipe:
    """What a cell's numbers are made from: the whole path to them starts in this module, plug-ins name themselves."""
    alias, protocol = cell.target.recognizer, session.track.protocol
    of: dict[str, Any] = {
        "faces": session.pictures.recipe,
        "protocol": protocol.model_dump(),
        "protectors": [session.recognizers.recipe(one) for one in protocol.protectors],
        "judges": [session.recognizers.recipe(one) for one in cell.target.judges],
        "surrogate": session.recognizer_recipe(cell.target.surrogate),
        "labels": cell.labels(),
        "threat": str(cell.threat),
        "system": session.systems.recipe(make_defense(cell.defense), alias, cell.seed),
        "undefended": session.systems.recipe(make_defense(DefenseSpec(name="none")), alias, cell.seed),
        "attack": make_attack(cell.attack).describe() if cell.attack else None,
        "victims": cell.attack.victims if cell.attack else None,
        "views": [cell.attack.views_of, cell.attack.views_joined] if cell.attack else None,
        "attributes": [attributes_sha(session, cell, split) for split in ("public", "victims")],
        "members": sorted(cell_key(session, member) for member in cell.members),
    }
    return Recipe("cell", of, code_of(__name__))


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


def _selected(cell: Cell, only: tuple[tuple[str, str], ...]) -> bool:
    labels = cell.labels()
    return all(fnmatch.fnmatch(str(labels[key]), pattern) for key, pattern in only)


def _finished(folder: Path) -> bool:
    file = folder / "state.json"
    return file.is_file() and json.loads(file.read_text())["status"] != "failed"
