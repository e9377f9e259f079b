"""One cell: run it into its folder, and say what its numbers are made from.

All code that decides a cell's numbers is reached from here by import; what only lists, collects or compares cells is
not, so that its edits leave finished cells as they are.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import load_file, save_file

from ..core.boundary import fatal
from ..core.code import code_of
from ..core.progress import Progress
from ..measure.base import Measurement
from ..measure.case import Case, costs_of
from ..measure.flags import isolation_flag
from ..measure.parts import Part, lacking, measurements_of, read_parts, take, write_parts
from ..measure.rows import REASON
from ..plan.cells import Cell, make_attack, make_defense
from ..plan.track import DefenseSpec
from ..prepare.session import Session
from ..record.cell_files import PICTURES, ROWS, STATE, TRACE, clear, damage, has_ended, plain, read_state, seal
from ..record.command import reproducing
from ..record.results import SCORES, Row, kept_file, status_of
from ..recover.fit import attributes_sha
from ..store.recipe import Recipe
from .provenance import device_name, environment, now


class WorkerDiedError(RuntimeError):
    """The process that ran a cell died, more than once."""


@dataclass
class _Attempt:
    """What is known of a cell at the end of an attempt to run it."""

    case: Case
    wanted: Mapping[str, Measurement]
    parts: dict[str, Part]
    before: Mapping[str, Any]  # its state of an earlier run
    error: BaseException | None = None
    trace: str = ""
    start: float = field(default_factory=time.perf_counter)

    @property
    def status(self) -> str:
        return status_of(self.error) if self.error else "ok"


def run_cell(session: Session, cell: Cell, folder: Path, progress: Progress, again: tuple[str, ...] = ()) -> bool:
    """Run one cell into its folder; whatever happens becomes rows. Returns whether it did not fail.

    Of a cell that has ended before, only those measurements are made that it has not had yet.
    """
    before = _opened(folder)
    wanted = measurements_of(session.track.protocol, cell)
    left = lacking(folder, wanted)
    parts = {name: part for name, part in read_parts(folder).items() if name in wanted and name not in left}
    attempt = _Attempt(Case(session, cell), wanted, parts, before)
    try:
        for name in left:
            parts[name] = _measured(wanted[name], attempt.case, folder)
    except Exception as caught:  # a failed cell is a row, never a hole
        if fatal(caught):
            raise
        attempt.error = caught
        if attempt.status == "failed":
            attempt.trace = traceback.format_exc()
            progress.say(f"  failed: {type(caught).__name__}: {caught}")
    _write(folder, attempt, again)
    return attempt.status != "failed"


def lost_cell(session: Session, cell: Cell, folder: Path, why: str, again: tuple[str, ...] = ()) -> None:
    """Write down that no process lived to the end of a cell: it has failed."""
    clear(folder)
    wanted = measurements_of(session.track.protocol, cell)
    _write(folder, _Attempt(Case(session, cell), wanted, {}, {}, WorkerDiedError(why), why), again)


def _write(folder: Path, attempt: _Attempt, again: tuple[str, ...]) -> None:
    case, parts, wanted, error = attempt.case, attempt.parts, attempt.wanted, attempt.error
    session, cell, before = case.session, case.cell, attempt.before
    costs = before.get("costs") or (costs_of(case) if cell.attack and "outcome" in vars(case) else {})
    isolated = case.outcome.isolated if "outcome" in vars(case) else before.get("isolated", True)
    apart = session.systems.learnt_apart(_system_recipe(session, cell).key)
    apart = before.get("learnt_apart", True) if apart is None else apart
    state: dict[str, Any] = {
        "status": attempt.status,
        "track": session.track.name,
        "cell": cell.labels() | {"dataset": session.track.dataset.name},
        "error": {"class": type(error).__name__, "message": str(error)} if error else None,
        "command": reproducing(session.track.called, cell.labels(), again),
        "flags": [flag for name in wanted if name in parts for flag in parts[name].flags]
        + isolation_flag(isolated, apart),
        "isolated": isolated,
        "learnt_apart": apart,
        "absent": {metric: why for part in parts.values() for metric, why in part.absent.items()},
        "costs": costs,
        "seconds": before.get("seconds", 0.0) + time.perf_counter() - attempt.start,
    }
    shared = _common(session, cell, folder.name) | {"flags": ",".join(sorted({one["flag"] for one in state["flags"]}))}
    rows = [shared | {"status": "ok"} | row for row in _rows(parts, wanted, costs)]
    if error or not rows:
        rows.append(shared | {"metric": "cell", "status": attempt.status})
    _save(folder, case, parts, rows, state, attempt.trace)


def _opened(folder: Path) -> Mapping[str, Any]:
    """Make the folder ready to be written into; returns the state of what it holds, if that is whole."""
    if has_ended(folder) and not damage(folder):
        state = read_state(folder)
        (folder / STATE).unlink()
        return state
    clear(folder)
    return {}


def _measured(measurement: Measurement, case: Case, folder: Path) -> Part:
    part = take(measurement, case, folder)
    if not part.skipped and (pictures := measurement.pictures(case)):
        file = folder / PICTURES
        save_file((load_file(file) if file.is_file() else {}) | dict(pictures), file)
    return part


def _rows(parts: Mapping[str, Part], wanted: Mapping[str, Measurement], costs: Row) -> Iterator[Row]:
    """The rows of all parts, without what is said of their reasons elsewhere."""
    for name in wanted:
        for row in parts[name].rows if name in parts else ():
            said = {column: value for column, value in row.items() if column != REASON}
            yield said | costs if wanted[name].priced else said


def _common(session: Session, cell: Cell, key: str) -> Row:
    """The columns that all rows of a cell share."""
    env = environment(session.device)
    threat = cell.threat
    plugin = make_attack(cell.attack) if cell.attack else make_defense(cell.defense)
    granted = {"K3": "deployment"}.get(threat.defense.value, "") if threat else ""
    return cell.labels() | {
        "run_id": session.track.name,
        "cell": key,
        "dataset": session.track.dataset.name,
        "protocol": session.track.protocol.version,
        "recognizer_access": threat.recognizer.value if threat else "",
        "secrets_granted": granted,
        "fidelity": plugin.fidelity.value,
        "paper_value": plugin.paper_value,
        "paper_source": plugin.paper_source,
        "code_sha": env["code_sha"][:12],
        "dirty": env["dirty"],
        "data_sha": session.dataset.sha[:12],
        "weights_sha": session.recognizers.recipe(cell.target.recognizer).key[:12],
        "device": device_name(session.device),
        "torch": env["torch"],
        "created": now(),
        "flags": "",
    }


def _save(
    folder: Path, case: Case, parts: Mapping[str, Part], rows: list[Row], state: Mapping[str, Any], trace: str
) -> None:
    """The state comes last: its presence says that the cell is complete."""
    (folder / TRACE).unlink(missing_ok=True)
    if trace:
        (folder / TRACE).write_text(trace, encoding="utf-8")
    belonging = {kept_file(name) for name in parts}
    for file in (*folder.glob(kept_file("*")), folder / SCORES):  # of measurements that the track no longer has
        if file.name not in belonging and file.is_file():
            file.unlink()
    if losses := _losses(case):
        pd.DataFrame({"step": range(len(losses)), "loss": losses}).to_csv(folder / "loss.csv", index=False)
    write_parts(parts, folder)
    (folder / ROWS).write_text(json.dumps(rows, default=plain), encoding="utf-8")
    seal(folder, state)


def _losses(case: Case) -> list[float]:
    """The training curve of the attack, or of what a defence alone trained last; empty where nothing was trained."""
    if "outcome" in vars(case):
        return case.outcome.losses
    logs = case.session.systems.trainings(case.system) if case.cell.attack is None and "system" in vars(case) else {}
    return list(logs.values())[-1].losses if logs else []


def cell_key(session: Session, cell: Cell) -> str:
    """Hash of everything that a cell's numbers depend on."""
    return cell_recipe(session, cell).key


def cell_recipe(session: Session, cell: Cell) -> Recipe:
    """What a cell's numbers are made from: the whole path to them starts in this module, plug-ins name themselves.

    What a seed moves is in the recipes of faces and recognisers; each measurement has a key of its own.
    """
    session = session.of(cell.seed)
    alias, protocol = cell.target.recognizer, session.track.protocol
    of: dict[str, Any] = {
        "faces": session.pictures.recipe,
        "protocol": protocol.model_dump(exclude={"measure", "seed_moves"}),
        "protectors": [session.recognizers.recipe(one) for one in protocol.protectors],
        "judges": [session.recognizers.recipe(one) for one in cell.target.judges],
        "surrogate": session.recognizer_recipe(cell.target.surrogate),
        "labels": cell.labels(),
        "threat": str(cell.threat),
        "system": _system_recipe(session, cell),
        "undefended": session.systems.recipe(make_defense(DefenseSpec(name="none")), alias, cell.seed),
        "attack": make_attack(cell.attack).describe() if cell.attack else None,
        "victims": cell.attack.victims if cell.attack else None,
        "views": [cell.attack.views_of, cell.attack.views_joined] if cell.attack else None,
        "attributes": [attributes_sha(session, cell, split) for split in ("public", "victims")],
        "secrets": session.root.fingerprint if cell.attack else session.secrets_of(make_defense(cell.defense)),
        **({"tests": session.pictures.tests_recipe()} if session.track.tests and not cell.attack else {}),
        **({"gallery": session.pictures.gallery_recipe()} if session.track.gallery and cell.attack else {}),
        "members": sorted(cell_key(session, member) for member in cell.members),
    }
    return Recipe("cell", of, code_of(__name__))


def _system_recipe(session: Session, cell: Cell) -> Recipe:
    return session.systems.recipe(make_defense(cell.defense), cell.target.recognizer, cell.seed)
