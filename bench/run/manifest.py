"""What a run leaves on disk beside its cells: rows, failures, manifest, environment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from ...datasets.splits import save_splits
from ..core.json_file import read_json
from ..measure.parts import declared, measurements
from ..plan.cells import Cell, defense_traits, make_defense
from ..prepare.session import Session
from ..record.cell_files import plain
from ..record.results import write_results
from ..store.durable import write_if_changed, write_text
from .collect import Collected, failures_text
from .provenance import environment

_FILES = ("env", "manifest", "run")  # in the order in which they are written; .json


def write_tables(found: Collected, out: Path) -> bool:
    """``results.csv`` and ``failures.csv`` of what was collected. Returns whether either said something else before."""
    results = write_results(found.rows, out / "results.csv")
    failures = write_if_changed(out / "failures.csv", failures_text(found.failures))
    return results or failures


def write_manifest(session: Session, out: Path, about: Mapping[str, Any], found: Collected) -> None:
    """``run.json``, ``env.json``, ``manifest.json`` and ``splits.csv``.

    Args:
        session: of the run.
        out: the run folder.
        about: what ``run.json`` says.
        found: the cells that have ended so far.
    """
    track = session.track
    seeds = about["resolved"]["seeds"]
    every = {seed: session.of(seed) for seed in seeds}
    session = every[seeds[0]]
    used = sorted({a for t in track.targets for a in (t.recognizer, *t.judges, t.surrogate) if a})
    recognizers = {alias: session.recognizer(alias) for alias in used if session.recognizers.is_made(alias)}
    manifest = {
        "datasets": {track.dataset.name: dict(session.describe_data())} | session.pictures.describe_others(),
        "splits_sha256": save_splits(splits_of(every), out / "splits.csv"),
        "defenses": {spec.title: defense_traits(make_defense(spec)) for spec in track.defenses},
        "recognizers": {
            alias: {"family": net.family, "dim": net.dim, "differentiable": net.differentiable, **net.provenance}
            for alias, net in recognizers.items()
        },
        "taught_alike": taught_alike(session),
        "metrics": declared(measurements(track.protocol).values()),
        "absent": found.absent,
        "caveats": [*dict.fromkeys(text for one in every.values() for text in one.pictures.caveats())],
    } | session.pictures.apart()
    if track.protocol.seed_moves:
        manifest["seeds"] = moved_by(every, used)
    for name, content in zip(_FILES, (environment(session.device), manifest, about), strict=True):
        write_text(out / f"{name}.json", json.dumps(content, indent=1, default=plain) + "\n")


def splits_of(every: Mapping[int, Session]) -> pd.DataFrame:
    """The rows in use with their split; with their ``seed`` in front where seeds move splits."""
    first = next(iter(every.values()))
    if "splits" not in first.track.protocol.seed_moves:
        return first.splits
    parts = [session.splits.assign(seed=seed) for seed, session in every.items()]
    table = pd.concat(parts, ignore_index=True)
    return table[["seed", *first.splits.columns]]


def moved_by(every: Mapping[int, Session], recognizers: Iterable[str]) -> dict[str, Any]:
    """What each seed has of its own, and what share of their victims and calibration people seeds have in common."""
    people: dict[str, list[set[str]]] = {"victims": [], "calibration": []}
    found: dict[str, Any] = {}
    for seed, session in every.items():
        for split, sets in people.items():
            sets.append(set(session.faces(split).identities))
        found[str(seed)] = {
            "faces": session.pictures.recipe.key[:12],
            "recognizers": {alias: session.recognizers.recipe(alias).key[:12] for alias in recognizers},
        }
    return {"shared_people": max(map(shared_share, people.values())), "by_seed": found}


def shared_share(sets: Sequence[set[str]]) -> float:
    """Mean share of its people that a set has in common with another one, over all pairs; 1 of a single set."""
    pairs = list(combinations(sets, 2))
    return sum(len(a & b) / min(len(a), len(b)) for a, b in pairs) / len(pairs) if pairs else 1.0


def taught_alike(session: Session) -> dict[str, list[str]]:
    """Attacked recogniser -> the judges that learnt from the same people as it: they share what it gets wrong."""
    here, known = session.recognizers.trained_here, session.track.recognizers

    def learnt(alias: str) -> str:
        return "the train split" if here(alias) else known[alias].trained_on

    targets = session.track.targets
    kin = {one.recognizer: [judge for judge in one.judges if learnt(judge) == learnt(one.recognizer)]
           for one in targets if learnt(one.recognizer)}  # fmt: skip
    return {recognizer: judges for recognizer, judges in kin.items() if judges}


def about_run(session: Session, planned: Mapping[str, Cell], seeds: Iterable[int], command: str) -> dict[str, Any]:
    """What ``run.json`` says besides times and state: equal where the same cells are planned by the same track.

    Args:
        session: of the run.
        planned: all cells that results.csv is about, by key.
        seeds: of these cells.
        command: the command line.
    """
    track = session.track
    return {
        "track": track.name,
        "title": track.title,
        "command": command,
        "protocol": track.protocol.model_dump(mode="json"),
        "resolved": track.model_copy(update={"seeds": tuple(sorted(seeds))}).model_dump(mode="json"),
        "measurements": sorted(measurements(track.protocol)),
        "cells": len(planned),
        "plan": {key: cell.labels() | {"dataset": track.dataset.name} for key, cell in planned.items()},
    }


def same_run(out: Path, about: Mapping[str, Any]) -> bool:
    """Whether the files of ``write_manifest`` are there and tell of the same run, however it was called and when."""
    try:
        env, manifest, run = (read_json(out / f"{name}.json") for name in _FILES)
        splits = hashlib.sha256((out / "splits.csv").read_bytes()).hexdigest()
    except (OSError, ValueError):
        return False
    if not all(isinstance(part, dict) for part in (env, manifest, run)) or manifest.get("splits_sha256") != splits:
        return False
    expected = json.loads(json.dumps(about, default=plain))
    return _lasting(run) == _lasting(expected)


def _lasting(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in about.items() if name not in ("command", "started", "finished")}
