"""The main board: one row per data set, recogniser, surface and defence. Surfaces are never mixed."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from .board_attacks import SPREAD, extremes
from .rows import UNDEFENDED, AttackId, View, union
from .seeds import Stat, spread
from .significance import Verdicts, leak_less
from .strongest import Choice, strongest, value_of

UNFINISHED = "not trained out"  # what ``matched`` says in place of yes and no (F17)
_SURFACE_ORDER = {"template": 0, "wire": 1, "image": 2}

DEFENSE_COLUMNS = (
    "dataset", "recognizer", "surface", "defense", "rank", "pareto", "matched",
    "accuracy", "accuracy_lo", "accuracy_hi", "accuracy_diff", "accuracy_diff_lo", "accuracy_diff_hi",
    "tar", "tar_lo", "tar_hi", "eer",
    "worst_attack", "judge", "chosen_on", "n_attacks", "sar2", "sar2_lo", "sar2_hi", "sar2_min", "sar2_max", SPREAD,
    "n_seeds", "sar1", "sar1_lo", "sar1_hi", "target_sar2", "target_sar2_lo", "target_sar2_hi", "target_sar1",
    "target_sar1_lo", "target_sar1_hi", "rank1", "rank1_lo", "rank1_hi", "rank1_chance", "psnr", "ssim", "floor",
    "floor_sar2", "target_worst", "target_worst_sar2", "identity_attack", "identity_judge", "identity_sar2",
    "identity_sar2_lo", "identity_sar2_hi", "d_sys_excess", "protect_ms", "leak_bytes",
    "utility", "recognizer_init", "n_cells", "n_failed", "flags",
)  # fmt: skip


def defense_board(view: View, verdicts: Verdicts | None = None) -> pd.DataFrame:
    """One row per (dataset, recognizer, surface, defense), undefended first, then by what leaks.

    Args:
        view: of the rows.
        verdicts: who is proven to leak more than whom.
    """
    verdicts = verdicts or Verdicts()
    keys = {(*who[:3], who.surface) for who in view.cells}
    attacked = {key[:3] for key in keys}
    keys |= {(*system, "") for system in view.systems() if system not in attacked}
    board = pd.DataFrame([_row(view, *key) for key in sorted(keys)], columns=list(DEFENSE_COLUMNS))
    if board.empty:
        return board
    board = pd.concat([_ranked(group, verdicts) for _, group in board.groupby(["dataset", "recognizer", "surface"])])
    order = board.assign(
        _surface=board["surface"].map(lambda s: _SURFACE_ORDER.get(s, 9)),
        _first=board["defense"] != UNDEFENDED,
        _reach=reach(board)["reach"],
    ).sort_values(["dataset", "recognizer", "_surface", "surface", "_first", "rank", "_reach", "sar2", "defense"])
    return board.loc[order.index].reset_index(drop=True)


def _row(view: View, dataset: str, recognizer: str, defense: str, surface: str) -> dict[str, Any]:
    system = (dataset, recognizer, defense)
    here = [who for who in view.cells if who[:4] == (*system, surface)]
    attacks = [who for who in here if view.role(who) != "ceiling"]
    worst = strongest(view, attacks)
    row: dict[str, Any] = {"dataset": dataset, "recognizer": recognizer, "defense": defense, "surface": surface}
    row |= _utility(view, system, surface)
    row |= _privacy(view, worst)
    row |= _floor(view, [who for who in here if view.role(who) == "floor"], worst)
    against_target = strongest(view, attacks, judge=recognizer)
    row["target_worst"] = against_target.who.label if against_target else ""
    row["target_worst_sar2"] = value_of(
        view.get(against_target.who, "sar_type2", recognizer) if against_target else None
    )
    named = strongest(view, attacks, pictures=False)
    row |= {"identity_attack": named.who.label if named else "", "identity_judge": named.judge if named else ""}
    row |= spread("identity_sar2", view.get(named.who, "sar_type2", named.judge) if named else None)
    row["n_cells"] = sum(view.cells[who].n_cells for who in here)
    row["n_failed"] = sum(view.cells[who].n_failed for who in here)
    shown = [view.cells[choice.who].flags for choice in (worst, named) if choice]
    row["flags"] = union([view.utility_flags.get(system, ""), *shown])
    if "F17" in view.utility_flags.get(system, "").split(","):
        row["matched"] = UNFINISHED
    return row


def _utility(view: View, system: tuple[str, str, str], surface: str) -> dict[str, Any]:
    accuracy, tar = view.use(system, "accuracy"), view.use(system, "tar", fmr=view.fmr)
    plain = view.use((*system[:2], UNDEFENDED), "accuracy")
    difference = view.use(system, "accuracy_undefended_difference")
    released = view.use(system, "release_accuracy")
    if released is not None:  # a data set's worth is that of the recogniser trained on it, not of the owner's own
        accuracy, difference = released, view.use(system, "release_accuracy_difference")
        plain = view.use(system, "release_accuracy_original")
    if difference is None and accuracy and plain:
        gap = accuracy.value - plain.value  # no paired rows: the difference without an interval
        difference = Stat(gap, math.nan, math.nan, gap, gap, accuracy.n_seeds)
    linkable, null = view.use(system, "d_sys"), view.use(system, "d_sys_null")
    # Without both accuracies (a partial run) the paired difference decides alone.
    loss = plain.value - accuracy.value if accuracy and plain else -value_of(difference)
    return {
        **spread("accuracy", accuracy),
        **spread("accuracy_diff", difference),
        **spread("tar", tar),
        "eer": value_of(view.use(system, "eer")),
        "matched": "" if math.isnan(loss) else "yes" if loss <= view.utility_loss + 1e-9 else "no",
        "d_sys_excess": value_of(linkable) - value_of(null),
        "protect_ms": value_of(view.use(system, "protect_ms")),
        "leak_bytes": value_of(view.use(system, "leak_bytes", surface) or view.use(system, "leak_bytes")),
        "utility": "training on the release" if released is not None else "verification" if accuracy else "",
        "recognizer_init": view.texts.get((*system, "recognizer_init"), ""),
    }


def _privacy(view: View, worst: Choice | None) -> dict[str, Any]:
    if worst is None:
        return {"worst_attack": "", "judge": "", "chosen_on": "", "n_attacks": 0}
    who, judge = worst.who, worst.judge
    success = view.get(who, "sar_type2", judge)
    assert success is not None  # strongest() returns scored attacks only
    return {
        "worst_attack": who.label,
        "judge": judge,
        "chosen_on": worst.chosen_on,
        "n_attacks": worst.n_candidates,
        **spread("sar2", success),
        **extremes(success),
        **spread("sar1", view.get(who, "sar_type1", judge)),
        **spread("target_sar2", view.get(who, "sar_type2", who.recognizer)),
        **spread("target_sar1", view.get(who, "sar_type1", who.recognizer)),
        **spread("rank1", view.get(who, "rank1", judge)),
        "rank1_chance": value_of(view.get(who, "rank1_chance", judge)),
        "psnr": value_of(view.get(who, "psnr")),
        "ssim": value_of(view.get(who, "ssim")),
    }


def _floor(view: View, floors: list[AttackId], worst: Choice | None) -> dict[str, Any]:
    """The highest floor, the one an attack has to clear, under the judge of the strongest attack."""
    best = strongest(view, floors, judge=worst.judge) if worst else strongest(view, floors)
    if best is None:
        return {"floor": "", "floor_sar2": math.nan}
    return {"floor": best.who.attack, "floor_sar2": value_of(view.get(best.who, "sar_type2", best.judge))}


def utility_axis(board: pd.DataFrame) -> str:
    """``tar`` where every row has it, else ``accuracy``: the utility that Pareto marks and the scatter use."""
    return "tar" if len(board) and board["tar"].notna().all() else "accuracy"


def reach(board: pd.DataFrame) -> pd.DataFrame:
    """What defenses are ranked by: the larger SAR-II, of pictures or of identities without pixels.

    The two have different judges, but whom an attacker can name is not protected by a blurred picture.

    Returns:
        ``reach``, ``reach_lo`` and ``reach_hi`` for every row of ``board``.
    """
    named = (board["identity_sar2"] > board["sar2"]) | board["sar2"].isna()
    parts = {
        f"reach{end}": board[f"identity_sar2{end}"].where(named, board[f"sar2{end}"]) for end in ("", "_lo", "_hi")
    }
    return pd.DataFrame(parts)


def _ranked(group: pd.DataFrame, verdicts: Verdicts) -> pd.DataFrame:
    """Rank among matched defences that still recognise people (no F7): one more than there are that are proven to leak
    less, so that ties are ties. Pareto over all rows that have both numbers.

    What was not trained out (F17) has neither: its accuracy is not known yet.
    """
    collapsed = group["flags"].map(lambda text: "F7" in text.split(","))
    reached = group.join(reach(group))
    leaks = reached["reach"]
    able = (group["matched"] == "yes") & leaks.notna() & (group["defense"] != UNDEFENDED) & ~collapsed
    ranked = reached[able]
    rank = pd.Series(
        {index: 1.0 + leak_less(row, ranked, verdicts) for index, row in zip(ranked.index, ranked.to_dict("records"))},
        dtype=float,
    ).reindex(group.index)
    axis = utility_axis(group)
    points = list(zip(group[axis].where(group["matched"] != UNFINISHED), leaks))
    best = [
        not (math.isnan(x) or math.isnan(y)) and not any(u >= x and s <= y and (u > x or s < y) for u, s in points)
        for x, y in points
    ]
    return group.assign(rank=rank, pareto=["yes" if flag else "no" for flag in best])
