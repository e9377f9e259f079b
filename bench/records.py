"""What a run leaves on disk beside its cells: rows, failures, manifest, environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from ..datasets.splits import save_splits
from .flags import cross_cell_flags
from .plan import Cell, defense_traits, make_attack, make_defense
from .provenance import device_name, environment
from .schema import Row
from .session import Session
from .words import CHOSEN


def collect(folder: Path, keys: list[str]) -> list[Row]:
    """The rows of all cells that have ended, with the flags that need more than one cell."""
    rows: list[Row] = []
    for key in keys:
        if (folder / key / "state.json").is_file():
            rows += json.loads((folder / key / "rows.json").read_text())
    # An ensemble holds members of every access: it would hide that a black box beats the white ones (F2).
    ensembles = {row["cell"] for row in rows if row["metric"].startswith(CHOSEN)}
    extra = cross_cell_flags([row for row in rows if row["cell"] not in ensembles])
    for row in rows:
        if added := extra.get(row["cell"]):
            row["flags"] = ",".join(sorted({*filter(None, str(row["flags"]).split(",")), *added}))
    return rows


def common(session: Session, cell: Cell, key: str) -> Row:
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


def write_failures(folder: Path, keys: list[str], file: Path) -> None:
    failures = []
    for key in keys:
        place = folder / key / "state.json"
        state = json.loads(place.read_text()) if place.is_file() else {}
        if state.get("error"):
            failures.append({"cell": key, **state["cell"], "status": state["status"], **state["error"]})
    pd.DataFrame(failures).to_csv(file, index=False)


def write_manifest(
    session: Session, out: Path, command: str, started: str, keys: Mapping[str, Cell], state: str = "running"
) -> None:
    track = session.track
    used = {a for t in track.targets for a in (t.recognizer, *t.judges, t.surrogate) if a}
    recognizers = {alias: session.recognizer(alias) for alias in sorted(used)}
    manifest = {
        "datasets": {track.dataset.name: dict(session.describe_data())},
        "splits_sha256": save_splits(session.splits, out / "splits.csv"),
        "defenses": {spec.title: defense_traits(make_defense(spec)) for spec in track.defenses},
        "recognizers": {
            alias: {"family": net.family, "dim": net.dim, "differentiable": net.differentiable, **net.provenance}
            for alias, net in recognizers.items()
        },
        "absent": _absent(out / "cells", keys),
        "caveats": list(session.dataset.caveats),
    }
    run = {
        "track": track.name,
        "title": track.title,
        "command": command,
        "protocol": track.protocol.model_dump(),
        "resolved": track.model_dump(mode="json"),
        "started": started,
        "finished": None if state == "running" else now(),
        "cells": len(keys),
        "state": state,
    }
    for name, content in (("run", run), ("env", environment(session.device)), ("manifest", manifest)):
        (out / f"{name}.json").write_text(json.dumps(content, indent=1, default=plain) + "\n")


def _absent(folder: Path, keys: Mapping[str, Cell]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in keys:
        place = folder / key / "state.json"
        if place.is_file():
            found |= json.loads(place.read_text()).get("absent") or {}
    return found


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(value: Any) -> Any:
    """numpy and torch scalars, paths, enums -> JSON."""
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "value"):
        return value.value
    return str(value)
