"""One cell: run it into its folder, and say what its numbers are made from.

All code that decides a cell's numbers is reached from here by import; what only lists, collects or compares cells is
not, so that its edits leave finished cells as they are.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.torch import save_file

from .boundary import fatal
from .cell_files import ROWS, clear, plain, seal
from .command import reproducing
from .core.code import code_of
from .core.progress import Progress
from .execute import attributes_sha, run_attack
from .execute_ensemble import run_ensemble
from .plan import Cell, make_attack, make_defense
from .provenance import device_name, environment, now
from .recipe import Recipe
from .schema import SCORES, Row, status_of
from .scoring import Scored, score_attack
from .session import Session
from .track import DefenseSpec
from .utility import score_utility


def run_cell(session: Session, cell: Cell, folder: Path, progress: Progress, again: tuple[str, ...] = ()) -> bool:
    """Run one cell into its folder; whatever happens becomes rows. Returns whether it did not fail."""
    start = time.perf_counter()
    error: BaseException | None = None
    trace = ""
    try:
        status, scored = "ok", _score(session, cell)
    except Exception as caught:  # a failed cell is a row, never a hole
        if fatal(caught):
            raise
        status, error, scored = status_of(caught), caught, Scored([])
        if status == "failed":
            trace = traceback.format_exc()
            progress.say(f"  failed: {type(caught).__name__}: {caught}")
    rows = scored.rows or [{"metric": "cell"}]
    shared = _common(session, cell, folder.name) | {"status": status}
    state: dict[str, Any] = {
        "status": status,
        "track": session.track.name,
        "cell": cell.labels() | {"dataset": session.track.dataset.name},
        "error": {"class": type(error).__name__, "message": str(error)} if error else None,
        "command": reproducing(session.track.called, cell.labels(), again),
        "flags": scored.flags,
        "absent": scored.absent,
        "still_falling": scored.still_falling,
        "seconds": time.perf_counter() - start,
    }
    for row in rows:
        row.setdefault("flags", ",".join(sorted({flag["flag"] for flag in scored.flags})))
    _save(folder, scored, [shared | row for row in rows], state, trace)
    return status != "failed"


def _score(session: Session, cell: Cell) -> Scored:
    if cell.attack is None:
        return score_utility(session, cell)
    outcome, members = run_ensemble(session, cell) if cell.members else (run_attack(session, cell), [])
    scored = score_attack(session, cell, outcome)
    scored.rows += members
    return scored


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


def _save(folder: Path, scored: Scored, rows: list[Row], state: Mapping[str, Any], trace: str) -> None:
    """The state comes last: its presence says that the cell is complete."""
    clear(folder)
    if trace:
        (folder / "traceback.txt").write_text(trace, encoding="utf-8")
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
    (folder / ROWS).write_text(json.dumps(rows, default=plain), encoding="utf-8")
    seal(folder, state)


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
