"""Boards about attacks: what each reaches, the attack x defence matrix, and transfer to other judges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from .rows import UNDEFENDED, AttackId, View, union, worst_status
from .seeds import Stat
from .significance import ATTACKS, Place, Verdicts
from .strongest import strongest, value_of

SPREAD = "sar2_sd"  # on the boards of runs with several seeds
ROLE_ORDER = {"ceiling": 0, "attack": 1, "floor": 2}

ATTACK_COLUMNS = (
    "dataset", "recognizer", "surface", "role", "attack", "knowledge", "status", "judge", "sar2", "sar2_lo", "sar2_hi",
    "sar2_min", "sar2_max", SPREAD, "n_seeds", "sar1", "sar1_lo", "sar1_hi", "target_sar2", "target_sar2_lo",
    "target_sar2_hi", "rank1", "rank1_chance", "psnr", "ssim", "mean_sar2", "n_defenses", "train_s", "invert_s",
    "n_queries", "params", "n_cells", "n_failed", "flags",
)  # fmt: skip

MATRIX_COLUMNS = (
    "dataset", "recognizer", "surface", "judge", "judge_kind", "role", "attack", "knowledge", "defense", "sar2",
    "sar2_lo", "sar2_hi", "sar2_min", "sar2_max", SPREAD, "n_seeds", "best", "status", "flags",
)  # fmt: skip

TRANSFER_COLUMNS = (
    "dataset", "surface", "recognizer", "judge", "mean_undefended_sar2", "strongest_attack", "strongest_sar2",
    "n_attacks",
)  # fmt: skip


def attack_board(view: View) -> pd.DataFrame:
    """One row per attack, floor or ceiling: undefended, and mean over defences."""
    groups: dict[tuple[str, ...], list[AttackId]] = {}
    for who in view.cells:
        groups.setdefault((who.dataset, who.recognizer, who.surface, who.attack, who.knowledge), []).append(who)
    rows = [_attack_row(view, members) for members in groups.values()]
    board = pd.DataFrame(rows, columns=list(ATTACK_COLUMNS))
    keys = board.assign(_role=board["role"].map(ROLE_ORDER), _down=-board["sar2"].astype(float))
    order = keys.sort_values(["dataset", "recognizer", "surface", "_role", "_down", "attack", "knowledge"])
    return board.loc[order.index].reset_index(drop=True)


def _attack_row(view: View, members: Sequence[AttackId]) -> dict[str, Any]:
    first = members[0]
    plain = _undefended(view, first)
    judge = view.judge_of(plain) if plain else next((name for who in members if (name := view.judge_of(who))), "")
    elsewhere = [view.get(who, "sar_type2", judge) for who in members if who.defense != UNDEFENDED]
    defended = [stat.value for stat in elsewhere if stat]
    cells = [view.cells[who] for who in members]
    return {
        **{name: getattr(first, name) for name in ("dataset", "recognizer", "surface", "attack", "knowledge")},
        "role": view.role(first),
        "status": "ok" if plain or defended else worst_status(cell.status for cell in cells),
        "judge": judge,
        **(_reach(view, plain, judge) if plain else {}),
        "mean_sar2": sum(defended) / len(defended) if defended else math.nan,
        "n_defenses": len(defended),
        **{
            name: _mean([getattr(cell, name) for cell in cells])
            for name in ("train_s", "invert_s", "n_queries", "params")
        },
        "n_cells": sum(cell.n_cells for cell in cells),
        "n_failed": sum(cell.n_failed for cell in cells),
        "flags": union(cell.flags for cell in cells),
    }


def _undefended(view: View, who: AttackId) -> AttackId | None:
    """The attack on the undefended system. Without a defence all knowledge is the same, so any level stands in."""
    same = [
        other
        for other in view.seen_judges
        if other._replace(knowledge="") == who._replace(knowledge="", defense=UNDEFENDED)
    ]
    exact = [other for other in same if other.knowledge == who.knowledge]
    return min(exact or same, default=None)


def _reach(view: View, who: AttackId, judge: str) -> dict[str, Any]:
    found = {
        "sar2": view.get(who, "sar_type2", judge),
        "sar1": view.get(who, "sar_type1", judge),
        "target_sar2": view.get(who, "sar_type2", who.recognizer),
    }
    row: dict[str, Any] = {}
    for name, stat in found.items():
        row |= interval(name, stat)
    row |= extremes(found["sar2"])
    row |= {name: value_of(view.get(who, name, judge)) for name in ("rank1", "rank1_chance")}
    return row | {name: value_of(view.get(who, name)) for name in ("psnr", "ssim")}


def interval(name: str, stat: Stat | None) -> dict[str, float]:
    """``name``, ``name_lo``, ``name_hi``."""
    return {
        name: value_of(stat),
        f"{name}_lo": stat.lo if stat else math.nan,
        f"{name}_hi": stat.hi if stat else math.nan,
    }


def extremes(stat: Stat | None) -> dict[str, Any]:
    """The lowest and highest seed of SAR-II, their standard deviation and how many there are."""
    if stat is None:
        return {"sar2_min": math.nan, "sar2_max": math.nan, SPREAD: math.nan, "n_seeds": 0}
    return {"sar2_min": stat.low, "sar2_max": stat.high, SPREAD: stat.std, "n_seeds": stat.n_seeds}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def matrix_board(view: View, verdicts: Verdicts | None = None) -> pd.DataFrame:
    """Long form of attack x defence; a cell without a number keeps its status.

    Args:
        view: of the rows.
        verdicts: which attacks are proven to be stronger; ``best`` are those than which none is.
    """
    rows: list[dict[str, Any]] = []
    for who, cells in sorted(view.cells.items()):
        independent = view.judges.get((who.dataset, who.recognizer), "")
        for judge in sorted(view.seen_judges.get(who, set()) | {independent, who.recognizer} - {""}):
            stat = view.get(who, "sar_type2", judge)
            status = "ok" if stat else cells.status if cells.status != "ok" else "not-scored"
            kind = "target" if judge == who.recognizer else "independent" if judge == independent else "other"
            rows.append(
                {
                    **who._asdict(),
                    "label": who.label,
                    "judge": judge,
                    "judge_kind": kind,
                    "role": view.role(who),
                    "status": status,
                }
                | {**interval("sar2", stat), **extremes(stat), "flags": cells.flags}
            )
    _mark_best(rows, verdicts or Verdicts())
    board = pd.DataFrame([row for row in rows if row["judge"]], columns=list(MATRIX_COLUMNS))
    return board.sort_values(list(MATRIX_COLUMNS[:9]), kind="stable").reset_index(drop=True)


def _mark_best(rows: list[dict[str, Any]], verdicts: Verdicts) -> None:
    """Of each system and judge: the attack or floor with the highest number, and all that cannot be told from it."""
    groups: dict[tuple[Place, str], list[dict[str, Any]]] = {}
    for row in rows:
        place = Place(row["dataset"], row["recognizer"], row["surface"], ATTACKS, row["defense"])
        if row["role"] != "ceiling" and not math.isnan(row["sar2"]):
            groups.setdefault((place, row["judge"]), []).append(row)
    for (place, _), members in groups.items():
        top = max(members, key=lambda row: row["sar2"])
        for row in members:
            ends = (top["sar2_lo"], row["sar2_hi"])
            row["best"] = "no" if verdicts.above(place, top["label"], row["label"], ends) else "yes"


def with_undefended(long: pd.DataFrame) -> pd.DataFrame:
    """The long matrix, with the undefended number repeated at every knowledge level an attack was run at.

    Without a defence there is nothing to know, so the harness runs ``none`` once and a K1 row would show a hole.
    """
    plain = long[(long["defense"] == UNDEFENDED) & long["sar2"].notna()]
    keys = ["dataset", "recognizer", "surface", "judge", "attack"]
    wanted = long[[*keys, "knowledge"]].drop_duplicates()
    filled = wanted.merge(plain.drop(columns="knowledge").drop_duplicates(keys), on=keys)
    both = pd.concat([long, filled[list(long.columns)]], ignore_index=True)
    return both.drop_duplicates([*keys, "knowledge", "defense"], keep="first")


def matrix_wide(long: pd.DataFrame) -> pd.DataFrame:
    """One column per defence; the status word stands where there is no number."""
    keys = list(MATRIX_COLUMNS[:8])
    if long.empty:
        return pd.DataFrame(columns=keys)
    long = with_undefended(long)
    shown = long["sar2"].map(lambda x: f"{x:.6g}").where(long["sar2"].notna(), long["status"])
    wide = long.assign(shown=shown).pivot(index=keys, columns="defense", values="shown").fillna("")
    names = sorted(wide.columns, key=lambda name: (name != UNDEFENDED, name))
    wide = wide[names].reset_index()
    wide.columns.name = None
    return wide


def transfer_board(view: View) -> pd.DataFrame:
    """Attacked recogniser x judge, on the undefended system: does a picture that fools one network fool another?"""
    groups: dict[tuple[str, str, str, str], list[AttackId]] = {}
    for who, judges in view.seen_judges.items():
        if who.defense == UNDEFENDED and view.role(who) != "ceiling" and view.draws(who):
            for judge in judges:
                groups.setdefault((who.dataset, who.surface, who.recognizer, judge), []).append(who)
    rows = []
    for (dataset, surface, recognizer, judge), members in sorted(groups.items()):
        best = strongest(view, members, judge=judge)
        stats = [view.get(who, "sar_type2", judge) for who in members]
        rows.append(
            {"dataset": dataset, "surface": surface, "recognizer": recognizer, "judge": judge}
            | {
                "mean_undefended_sar2": _mean([value_of(stat) for stat in stats]),
                "strongest_attack": best.who.label if best else "",
                "strongest_sar2": value_of(view.get(best.who, "sar_type2", judge)) if best else math.nan,
                "n_attacks": sum(stat is not None for stat in stats),
            }
        )
    return pd.DataFrame(rows, columns=list(TRANSFER_COLUMNS))
