"""Automatic checks that compare the cells of one system; raised when the results of a run are collected."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.surfaces import Role
from ..core.threat import DefenseKnowledge, RecognizerAccess
from ..record.results import Row
from ..record.roles import role_of
from ..record.words import WITHIN

PERFECT = 0.9995  # mean cosine to the leaked photograph that no recovery of a defended leak reaches
SAME = 1e-6  # two mean cosines this close are one


def cross_cell_flags(
    rows: list[Row], last_steps: Iterable[tuple[str, str]] = (), roles: Mapping[str, str] | None = None
) -> dict[str, set[str]]:
    """F1, F2, F13, F15 and F18 by cell key; they need several cells of one system.

    Args:
        rows: of all cells.
        last_steps: titles of attacks that are one attack at a smaller and a larger budget (``saturation.py``).
        roles: title of an attack -> its role; empty for runs from before they were kept.
    """
    raised: dict[str, set[str]] = defaultdict(set)
    last_steps = list(last_steps)
    for group in _systems(rows, roles or {}).values():
        _below_floor(group, raised)
        _not_saturated(group, last_steps, raised)
        _black_beats_white(group, raised)
        _metrics_disagree(group, raised)
        _impossible(group, raised)
    return raised


def _systems(rows: list[Row], roles: Mapping[str, str]) -> dict[tuple[Any, ...], list[Row]]:
    """Rows of attacks on the victims, with their role, by (recogniser, defence, surface, seed)."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row.get("attack") and row.get("status") == "ok" and row.get("split") == "victims":
            told = {**row, "role": role_of(row["attack"], roles)}
            groups[row["recognizer"], row["defense"], row["surface"], row["seed"]].append(told)
    return groups


def _is_attack(row: Mapping[str, Any]) -> bool:
    return row["role"] is Role.ATTACK


def _below_floor(group: list[Row], raised: dict[str, set[str]]) -> None:
    """F1: an attack's Type-II SAR lies below the interval of a floor that needs no more than it, for any judge and FMR.

    No more knowledge of the defence, no more access to the recogniser and, where the attack has pairs, no more of them.
    """
    sar = [row for row in group if row["metric"] == "sar_type2" and row.get("value") is not None]
    floors = [row for row in sar if row["role"] is Role.FLOOR and row.get("ci_lo") is not None]
    for row in filter(_is_attack, sar):
        for floor in floors:
            same = (row["judge"], row["fmr"]) == (floor["judge"], floor["fmr"])
            if same and row["value"] < floor["ci_lo"] and _needs_no_more(floor, row):
                raised[row["cell"]].add("F1")


def _needs_no_more(floor: Row, attack: Row) -> bool:
    knows = [level.value for level in WITHIN[DefenseKnowledge(attack["knowledge"])]]
    has, wants = (RecognizerAccess(row["recognizer_access"]).rank for row in (attack, floor))
    mine, its = (row.get("n_aux") or 0 for row in (attack, floor))
    return floor["knowledge"] in knows and wants <= has and (not mine or its <= mine)


def _not_saturated(group: list[Row], last_steps: list[tuple[str, str]], raised: dict[str, set[str]]) -> None:
    """F15: the largest budget of a curve still gains more than the interval of the one before it."""
    sar: dict[tuple[Any, ...], Row] = {
        (row["attack"], row["knowledge"], row["judge"], row["fmr"]): row
        for row in group
        if row["metric"] == "sar_type2" and row.get("value") is not None
    }
    for smaller, larger in last_steps:
        for (title, *rest), row in sar.items():
            before = sar.get((smaller, *rest)) if title == larger else None
            if before is not None and before.get("ci_hi") is not None and row["value"] > before["ci_hi"]:
                raised[row["cell"]].add("F15")


def _low(row: Row) -> float:
    """The lower end of its interval; without one, nothing is above another."""
    return -math.inf if row.get("ci_lo") is None else float(row["ci_lo"])


def _high(row: Row) -> float:
    return math.inf if row.get("ci_hi") is None else float(row["ci_hi"])


def _black_beats_white(group: list[Row], raised: dict[str, set[str]]) -> None:
    """F2: a black-box attack beats every white-box one of the same knowledge under the attacked judge.

    Only pictures are compared: an embedding handed back without pixels is another, easier task.
    """
    pictures = {row["cell"] for row in group if row["metric"] == "psnr"}
    sar = [
        row for row in group
        if row["metric"] == "sar_type1" and row["cell"] in pictures and row["judge"] == row["recognizer"]
        and row.get("value") is not None and _is_attack(row)
    ]  # fmt: skip
    for fmr, knowledge in {(row["fmr"], row["knowledge"]) for row in sar}:
        same = [row for row in sar if (row["fmr"], row["knowledge"]) == (fmr, knowledge)]
        white = [row for row in same if row["recognizer_access"] == "white-box"]
        black = [row for row in same if row["recognizer_access"] in ("black-box", "scores")]
        if white and black and max(_low(r) for r in black) > max(_high(r) for r in white):
            for row in white:
                raised[row["cell"]].add("F2")


def _metrics_disagree(group: list[Row], raised: dict[str, set[str]]) -> None:
    """F13: PSNR at or below the mean face's while Type-II SAR clears it, or the reverse."""
    psnr = {row["cell"]: row for row in group if row["metric"] == "psnr"}
    sar: dict[str, list[Row]] = defaultdict(list)
    for row in group:
        if row["metric"] == "sar_type2" and row["judge"] != row["recognizer"] and row.get("value") is not None:
            sar[row["cell"]].append(row)
    floor = next((cell for cell, row in psnr.items() if row["attack"] == "mean-face"), None)
    if floor is None:
        return
    base = {(row["judge"], row["fmr"]): row for row in sar[floor]}
    for cell, row in psnr.items():
        if not _is_attack(row):
            continue
        better_pixels = _low(row) > _high(psnr[floor])
        worse_pixels = _high(row) < _low(psnr[floor])
        pairs = [(r, base[r["judge"], r["fmr"]]) for r in sar[cell] if (r["judge"], r["fmr"]) in base]
        clears = any(_low(r) > _high(b) for r, b in pairs)
        if pairs and ((worse_pixels and clears) or (better_pixels and not clears)):
            raised[cell].add("F13")


def _impossible(group: list[Row], raised: dict[str, set[str]]) -> None:
    """F18: a cosine of 1 on a defended leak without its secrets, a ceiling's very cosine, or less knowledge that beats
    more: K0 above K1 of the same attack by more than both intervals.

    Equal cosines are compared, not equal rates: an attack on an easy system may well have a ceiling's rate.
    """
    cosines = [row for row in group if row["metric"] == "cosine" and row.get("value") is not None]
    ceilings: dict[str, list[float]] = defaultdict(list)
    for row in cosines:
        if row["role"] is Role.CEILING:
            ceilings[row["judge"]].append(row["value"])
    for row in filter(_is_attack, cosines):
        perfect = row["value"] >= PERFECT and row["defense"] != "none" and row["knowledge"] != "K3"
        alike = any(abs(row["value"] - ceiling) < SAME for ceiling in ceilings[row["judge"]])
        if perfect or (row["defense"] != "none" and alike):
            raised[row["cell"]].add("F18")
    sar = [row for row in group if row["metric"] == "sar_type2" and row.get("value") is not None and _is_attack(row)]
    knowing = {(row["attack"], row["judge"], row["fmr"]): row for row in sar if row["knowledge"] == "K1"}
    for row in sar:
        more = knowing.get((row["attack"], row["judge"], row["fmr"]))
        if row["knowledge"] == "K0" and more is not None and _low(row) > _high(more):
            raised[row["cell"]].add("F18")
