"""``faceleak merge``: one's own rows beside those of a board that others have made, where the two are comparable.

They are where people, protocol and recognisers are the same; then what both have measured says how far the two machines
agree, and that is written on the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import InputError
from ..record.results import TIMING_METRICS, results_text
from ..store.durable import write_text
from .definitions import other_people, other_rules
from .load import RunFolder, load_run
from .newcomers import MERGED

_WHO = ["dataset", "recognizer", "defense", "attack", "surface", "knowledge", "seed"]
_ROW = [*_WHO, "split", "metric", "judge", "fmr"]
_FREE = ("measure", "pictures")  # of the protocol: what is measured and shown, not how


@dataclass(frozen=True)
class Merged:
    """What came of it.

    Args:
        folder: the new run folder.
        newcomers: titles of defences and attacks that the board did not have.
        rows: of one's own that were added.
        both: rows that both had; the board's stand.
        differ: of these, how many differ by more than the board's interval.
        control: that in a sentence; empty where nothing stands in both.
    """

    folder: Path
    newcomers: Mapping[str, list[str]]
    rows: int
    both: int
    differ: int
    control: str


def merge(own: Path, board: Path, out: Path) -> Merged:
    """Write a run folder with the board's rows and those of ``own`` that it does not have; the report is not made.

    Args:
        own: a run folder.
        board: another, which keeps its rows.
        out: a new folder.

    Raises:
        RunFolderError: one of them is no run folder.
        InputError: the two cannot be compared, ``own`` adds nothing, or ``out`` is taken.
    """
    mine, theirs = load_run(own), load_run(board)
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise InputError(f"{out} is not empty; choose a new folder with --out.")
    if problems := list(_problems(mine, theirs)):
        raise InputError(f"{own} and {board} cannot stand on one board: {'; '.join(problems)}.")
    known = pd.MultiIndex.from_frame(theirs.results[_WHO])
    fresh = mine.results[~pd.MultiIndex.from_frame(mine.results[_WHO]).isin(known)]
    if fresh.empty:
        raise InputError(f"{own} has no cell that {board} has not; run your attack or defense on its track first.")
    both, differ, control = _control(mine.results, theirs.results)
    newcomers = {
        kind: sorted({*mine.results[column]} - {*theirs.results[column]} - {""})
        for kind, column in (("defenses", "defense"), ("attacks", "attack"))
    }
    rows = pd.concat([theirs.results, fresh], ignore_index=True)
    out.mkdir(parents=True, exist_ok=True)
    write_text(
        out / "results.csv", results_text([{str(k): v for k, v in row.items()} for row in rows.to_dict("records")])
    )
    for name, content in _about(mine, theirs, fresh, newcomers, control).items():
        write_text(out / f"{name}.json", json.dumps(content, indent=1) + "\n")
    return Merged(out, newcomers, len(fresh), both, differ, control)


def _problems(mine: RunFolder, theirs: RunFolder) -> Iterator[str]:
    """Why the rows would not be comparable."""
    yield from other_rules(mine, theirs, _FREE)
    sets, their_sets = (dict(run.manifest.get("datasets") or {}) for run in (mine, theirs))
    shared = {*sets} & {*their_sets}
    if not shared:
        yield f"data sets: {', '.join(sets) or 'none'} and {', '.join(their_sets) or 'none'}"
    for name in sorted(shared):
        if sets[name].get("sha256") != their_sets[name].get("sha256"):
            yield f"the pictures of {name} are others"
    if shared:
        yield from other_people(mine, theirs)
    weights, other_weights = (run.results.groupby("recognizer")["weights_sha"].first() for run in (mine, theirs))
    for name in sorted({*weights.index} & {*other_weights.index}):
        if weights[name] != other_weights[name]:
            yield f"recognizer {name} has other weights"
    if not {*weights.index} & {*other_weights.index}:
        yield f"recognizers: {', '.join(weights.index)} and {', '.join(other_weights.index)}"


def _control(mine: pd.DataFrame, theirs: pd.DataFrame) -> tuple[int, int, str]:
    """(rows that both have measured, those outside the board's interval, a sentence)."""
    tables = [run[(run["status"] == "ok") & ~run["metric"].isin(TIMING_METRICS)] for run in (mine, theirs)]
    both = tables[0].assign(fmr=tables[0]["fmr"].fillna(-1)).merge(
        tables[1].assign(fmr=tables[1]["fmr"].fillna(-1)), on=_ROW, suffixes=("", "_board")
    )  # fmt: skip
    if both.empty:
        return 0, 0, "Nothing was measured by both runs, so nothing says how far the two machines agree."
    outside = (both["value"] < both["ci_lo_board"]) | (both["value"] > both["ci_hi_board"])
    text = (
        f"{len(both)} rows were measured by both runs; {int(outside.sum())} of the newcomer's lie outside the board's"
    )
    text += " intervals"
    if outside.any():
        worst = both.loc[outside].iloc[0]
        text += f" (first {worst['metric']} of {worst['attack'] or worst['defense']}: {worst['value']:.4g}, board "
        text += f"{worst['value_board']:.4g})"
    return len(both), int(outside.sum()), text + "."


def _about(
    mine: RunFolder, theirs: RunFolder, fresh: pd.DataFrame, newcomers: Mapping[str, list[str]], control: str
) -> dict[str, dict[str, Any]]:
    """``run.json``, ``manifest.json`` and ``env.json`` of the two: the board's, with what the newcomer adds."""
    run, manifest, env = dict(theirs.run), dict(theirs.manifest), dict(theirs.env)
    cells = {*fresh["cell"]}
    plan = {key: cell for key, cell in dict(mine.run.get("plan") or {}).items() if key in cells}
    names = [name for part in newcomers.values() for name in part]
    run |= {
        "title": f"{run.get('title') or run.get('track') or 'Board'}, with {', '.join(names) or 'further rows'}",
        "plan": {**dict(run.get("plan") or {}), **plan},
        "roles": {**dict(mine.run.get("roles") or {}), **dict(run.get("roles") or {})},
        "state": "merged",
        "cells": int(theirs.results["cell"].nunique()) + len(cells),
        MERGED: {
            "newcomers": dict(newcomers), "own_command": mine.run.get("command") or "",
            "own_commit": str(mine.env.get("code_sha") or ""), "board_commit": str(env.get("code_sha") or ""),
        },
    }  # fmt: skip
    for part in ("defenses", "recognizers", "metrics", "absent"):
        manifest[part] = {**dict(mine.manifest.get(part) or {}), **dict(manifest.get(part) or {})}
    told = [str(text) for one in (theirs, mine) for text in one.manifest.get("caveats") or ()]
    commits = f"Board of commit {str(env.get('code_sha') or 'unknown')[:12]}, newcomer of "
    commits += f"{str(mine.env.get('code_sha') or 'unknown')[:12]}."
    manifest["caveats"] = [*dict.fromkeys(told), f"{commits} {control}"]
    return {"run": run, "manifest": manifest, "env": env}
