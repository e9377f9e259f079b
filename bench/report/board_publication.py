"""Board of published pictures: whom judges still find in them, what they look like, and who gets the original back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..record.words import BROKEN_KEYS, PROTECTOR
from .rows import UNDEFENDED, View
from .seeds import Stat, average, spread
from .strongest import strongest, value_of

EDITS = ("edit_identity", "edit_identity_unprotected")
RATES = ("psr_dodging", "psr_impersonation", "psr_impersonation_unprotected", *EDITS)  # at the headline FMR
RANKS = ("rank1_originals", "rank1_published", "rank1_decoy")
LOOKS = ("psnr", "ssim", "lpips", "fid", "landmark_error", "edit_distance", "edit_disrupted")  # of no judge
KEYS = ("right", "8bit", *BROKEN_KEYS, "ceiling")
_MARK = "psr_dodging"  # a system without it publishes nothing
PUBLICATION_COLUMNS = (
    "dataset", "recognizer", "defense", "goal", "judge",
    *(f"{metric}{end}" for metric in RATES for end in ("", "_lo", "_hi")), "psr_dodging_seen", "seen_judge",
    *(f"{metric}{end}" for metric in RANKS for end in ("", "_lo", "_hi")), "rank1_published_chance",
    *(f"{metric}{end}" for metric in LOOKS for end in ("", "_lo", "_hi")), "is_noise", "noise_dodging", "beats_noise",
    "washed_by", "washed_sar2", "washed_sar2_lo", "washed_sar2_hi", "identity_sar2", "identity_sar2_lo",
    "identity_sar2_hi", *(f"recovery_psnr_{way}" for way in KEYS), "key_bytes", "picture_bytes", "protect_ms",
)  # fmt: skip


def publication_board(results: pd.DataFrame, view: View) -> pd.DataFrame:
    """One row per defence that publishes pictures, undefended first, then by what the judge still finds.

    Judges that the protector had at hand are kept apart: ``psr_dodging_seen``. Of several others the one that finds
    most counts.

    Args:
        results: rows of ``bench/record/results.py``.
        view: of the same rows.
    """
    judged = results[(results["attack"] == "") & (results["judge"] != "") & (results["status"] == "ok")]
    judged = judged.assign(fmr=judged["fmr"].astype(float).fillna(0.0).map(lambda x: float(f"{x:.6g}")))
    names = ["dataset", "recognizer", "defense"]
    numbers: dict[tuple[str, ...], Stat] = {}
    for key, stat in average(judged, [*names, "judge", "metric", "fmr", "split"], view.shared).items():
        numbers.setdefault(key[:6], stat)  # of several splits the first by name
    systems = [((str(key[0]), str(key[1]), str(key[2])), part) for key, part in judged.groupby(names)]  # type: ignore[index]
    rows = [_row(view, system, part, numbers) for system, part in systems if (part["metric"] == _MARK).any()]
    board = pd.DataFrame(rows, columns=list(PUBLICATION_COLUMNS))
    if board.empty:
        return board
    board = pd.concat([_against_noise(view, group) for _, group in board.groupby(names[:2])])
    first = board.assign(_first=board["defense"] != UNDEFENDED)
    order = first.sort_values(["dataset", "recognizer", "_first", "goal", "psr_dodging", "defense"]).index
    return board.loc[order].reset_index(drop=True)


def _row(
    view: View, system: tuple[str, str, str], rows: pd.DataFrame, numbers: Mapping[tuple[Any, ...], Stat]
) -> dict[str, Any]:
    main = rows[(rows["metric"] == _MARK) & (rows["fmr"] == view.fmr)].groupby("judge")["value"].mean()
    own = main.index.str.startswith(PROTECTOR)
    judge = _extreme(main[~own], lowest=True) or _extreme(main, lowest=True)
    seen = _extreme(main[own], lowest=False)
    row: dict[str, Any] = dict(zip(("dataset", "recognizer", "defense"), system))
    row |= {"goal": view.texts.get((*system, "goal"), ""), "judge": judge, "seen_judge": seen.removeprefix(PROTECTOR)}
    row["psr_dodging_seen"] = float(main[seen]) if seen else math.nan
    for metric in RATES:
        row |= spread(metric, numbers.get((*system, judge, metric, view.fmr)))
    for metric in RANKS:
        row |= spread(metric, numbers.get((*system, judge, metric, 0.0)))
    row["rank1_published_chance"] = value_of(numbers.get((*system, judge, "rank1_published_chance", 0.0)))
    for metric in LOOKS:
        row |= spread(metric, view.use(system, metric))
    facts = (*(f"recovery_psnr_{way}" for way in KEYS), "key_bytes", "picture_bytes", "protect_ms")
    row |= {name: value_of(view.use(system, name)) for name in facts}
    return row | _attacked(view, system)


def _attacked(view: View, system: tuple[str, str, str]) -> dict[str, Any]:
    """The strongest attacks on what was published: by a picture, and by a name without one."""
    attacks = [who for who in view.cells if who[:4] == (*system, "image") and view.role(who) == "attack"]
    washed, named = strongest(view, attacks), strongest(view, attacks, pictures=False)
    return {
        "washed_by": washed.who.label if washed else "",
        **spread("washed_sar2", view.get(washed.who, "sar_type2", washed.judge) if washed else None),
        **spread("identity_sar2", view.get(named.who, "sar_type2", named.judge) if named else None),
    }


def _extreme(values: pd.Series, *, lowest: bool) -> str:
    if values.empty:
        return ""
    return str(values.idxmin() if lowest else values.idxmax())


def _against_noise(view: View, board: pd.DataFrame) -> pd.DataFrame:
    """What Gaussian noise of the same PSNR reaches, between the noise baselines of the track; empty beyond them."""
    systems = board[["dataset", "recognizer", "defense"]].itertuples(index=False, name=None)
    noisy = np.array([view.use(system, "noise_sigma") is not None for system in systems])
    board = board.assign(is_noise=noisy)
    anchors = board[noisy | (board["defense"] == UNDEFENDED)].sort_values("psnr")
    if noisy.sum() < 2:
        return board
    at = board["psnr"].to_numpy(float)
    beyond = (at < anchors["psnr"].min()) | noisy | (board["defense"] == UNDEFENDED)
    same, low, high = (
        np.where(beyond, math.nan, np.interp(at, anchors["psnr"].to_numpy(float), anchors[name].to_numpy(float)))
        for name in (_MARK, f"{_MARK}_lo", f"{_MARK}_hi")
    )
    # Nobody ran noise of just this PSNR, so that nothing pairs by victim: intervals must not touch.
    better = np.where(board[f"{_MARK}_lo"] > high, "yes", np.where(board[f"{_MARK}_hi"] < low, "no", "tie"))
    return board.assign(noise_dodging=same, beats_noise=np.where(np.isnan(same), "", better))
