"""What protects against what it costs, as marks on a page: each tells its numbers, and leads to its cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from matplotlib.ticker import MaxNLocator

from ...record.flags import FLAGS
from ..board_defenses import UNFINISHED, reach, utility_axis
from ..rows import UNDEFENDED
from ..style import fmr_text, percent

WIDTH, HEIGHT = 560, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 18, 18, 56
_FACE = 20  # across a numbered mark
_MANY = 3  # marks at least: two make no figure


@dataclass(frozen=True)
class Mark:
    """One defense.

    Args:
        number: in the mark and in the list beside it.
        name: of the defense.
        x: centre, in units of the picture.
        y: the same.
        label: centre of its numbered face; elsewhere than the centre where another one stands there.
        bars: the ends of its intervals, (x, x, y, y); an end without one is the centre.
        tone: plain (undefended), best (not beaten on both axes), unfinished (F17) or other.
        detail: its numbers in a sentence.
        cell: where they are from.
    """

    number: int
    name: str
    x: float
    y: float
    label: tuple[float, float]
    bars: tuple[float, float, float, float]
    tone: str
    detail: str
    cell: str


@dataclass(frozen=True)
class Plot:
    """A figure in a box of ``WIDTH`` x ``HEIGHT``."""

    title: str
    caption: str
    x_label: str
    y_label: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    marks: list[Mark]
    line: str
    box: tuple[int, int, int, int] = (_LEFT, _TOP, WIDTH - _RIGHT, HEIGHT - _BOTTOM)


def defense_plot(rows: pd.DataFrame, fmr: float, cell_of: Callable[[pd.Series, str], str]) -> Plot | None:
    """Of defenses that keep templates or what is sent; None where too few have both numbers.

    Args:
        rows: of one data set, recognizer and surface of the defense board.
        fmr: the headline false match rate.
        cell_of: row and column -> cell.
    """
    x = utility_axis(rows)
    every = rows.join(reach(rows))
    points = every[every["reach"].notna() & every[x].notna()]
    told = f"true accept rate at {fmr_text(fmr)}" if x == "tar" else "accuracy of verification"
    hidden = {f"kept{a}": 1 - points[f"reach{b}"] for a, b in (("", ""), ("_lo", "_hi"), ("_hi", "_lo"))}
    return _plot(
        points.assign(best=points["pareto"] == "yes", **hidden), (x, "kept"),
        Plot(
            "What it protects, and what it costs",
            f"Right: people are still recognized ({told}). Up: less comes back to the strongest attack, by a picture "
            "or by a name. Lines are 95 % intervals, the stepped line joins the best numbers, which may be ties.",
            told, "neither drawn nor named (100 % − SAR-II)", [], [], [], "",
        ),
        lambda row: _defense_words(row, x), lambda row: cell_of(row, _decisive(row)),
    )  # fmt: skip


def publication_plot(rows: pd.DataFrame, cell_of: Callable[[pd.Series, str], str]) -> Plot | None:
    """Of published pictures; None where too few have both numbers.

    Args:
        rows: of one data set and recognizer of the publication board.
        cell_of: row and column -> cell.
    """
    points = rows[rows["ssim"].notna() & rows["psr_dodging"].notna()]
    pairs = list(zip(points["ssim"], points["psr_dodging"]))
    best = [not any(u >= x and v >= y and (u > x or v > y) for u, v in pairs) for x, y in pairs]
    return _plot(
        points.assign(best=best), ("ssim", "psr_dodging"),
        Plot(
            "Who is found, and what the picture looks like",
            "Right: the published picture looks like the photo (SSIM, 1 is the same). Up: fewer people are found by a "
            "judge that no protector had. Lines are 95 % intervals, the stepped line joins the best "
            "numbers on both axes, which may be ties.",
            "likeness to the photo (SSIM)", "not found, share of pictures", [], [], [], "",
        ),
        _publication_words, lambda row: cell_of(row, "defense"),
    )  # fmt: skip


def _decisive(row: pd.Series) -> str:
    """The column whose number a defense is ranked by, as ``reach``."""
    named = math.isnan(row["sar2"]) or row["identity_sar2"] > row["sar2"]
    return "identity_sar2" if named else "sar2"


def _plot(
    points: pd.DataFrame,
    axes: tuple[str, str],
    empty: Plot,
    words: Callable[[pd.Series], str],
    cell_of: Callable[[pd.Series], str],
) -> Plot | None:
    if len(points) < _MANY:
        return None
    x, y = axes
    ends = [points[f"{x}{end}"] for end in ("", "_lo", "_hi") if f"{x}{end}" in points]
    low, high = min(float(part.min()) for part in ends), max(float(part.max()) for part in ends)
    room = 0.04 * ((high - low) or 0.1)
    low, high = low - room, min(high + room, 1 + room / 4)  # neither axis has anything beyond 1
    across = _scale(low, high, _LEFT, WIDTH - _RIGHT)
    upward = _scale(0.0, 1.0, HEIGHT - _BOTTOM, _TOP)
    ordered = points.assign(_first=points["defense"] != UNDEFENDED).sort_values(["_first", y, "defense"])
    marks = _apart(
        [
            _mark(index, row, (across, upward), axes, words(row), cell_of(row))
            for index, (_, row) in enumerate(ordered.iterrows())
        ]
    )
    ticks = [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high and tick <= 1]
    share = x != "ssim"
    return Plot(
        empty.title, empty.caption, empty.x_label, empty.y_label,
        [(round(across(tick), 1), f"{100 * tick:.4g} %" if share else f"{tick:.3g}") for tick in ticks],
        [(round(upward(tick / 5), 1), f"{20 * tick} %") for tick in range(6)],
        marks, _steps([mark for mark, best in zip(marks, ordered["best"]) if best]),
    )  # fmt: skip


def _mark(
    index: int,
    row: pd.Series,
    scales: tuple[Callable[[float], float], Callable[[float], float]],
    axes: tuple[str, str],
    detail: str,
    cell: str,
) -> Mark:
    plain = row["defense"] == UNDEFENDED
    unfinished = row.get("matched") == UNFINISHED or "F17" in str(row.get("flags", "")).split(",")
    centre = [round(scale(row[axis]), 1) for scale, axis in zip(scales, axes)]
    bars = [
        round(scale(end), 1) if not math.isnan(end := row.get(f"{axis}{side}", math.nan)) else middle
        for scale, axis, middle in zip(scales, axes, centre)
        for side in ("_lo", "_hi")
    ]
    tone = "plain" if plain else "unfinished" if unfinished else "best" if row["best"] else "other"
    name = "none (unprotected)" if plain else str(row["defense"])
    x, y = centre
    return Mark(index + 1, name, x, y, (x, y), (bars[0], bars[1], bars[2], bars[3]), tone, detail, cell)


def _apart(marks: Sequence[Mark]) -> list[Mark]:
    """Faces that would cover each other in a row above, or below where there is no room, joined to their centres."""
    placed: list[Mark] = []
    for mark in marks:
        way = -1 if mark.y > HEIGHT / 2 else 1
        x, y = mark.label
        while any(math.hypot(x - other.label[0], y - other.label[1]) < _FACE for other in placed):
            y = round(y + way * _FACE, 1)
        placed.append(replace(mark, label=(x, y)))
    return placed


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (end - start) * (value - low) / (high - low)


def _steps(best: Sequence[Mark]) -> str:
    """At a wanted utility the best choice is the next mark to the right: the line rises before it goes on."""
    ordered = sorted(best, key=lambda mark: mark.x)
    points: list[str] = []
    for before, mark in zip([None, *ordered], ordered):
        points += [f"{before.x},{mark.y}"] if before else []
        points.append(f"{mark.x},{mark.y}")
    return " ".join(points)


def _defense_words(row: pd.Series, x: str) -> str:
    name = "accuracy" if x == "accuracy" else "true accept rate"
    parts = [f"{name} {_share(row, x)}"]
    if not math.isnan(row["sar2"]):
        parts.append(f"{row['judge']} finds {_share(row, 'sar2')} of the victims in pictures by {row['worst_attack']}")
    if not math.isnan(row["identity_sar2"]):
        parts.append(f"{row['identity_attack']} names {_share(row, 'identity_sar2')} without a picture")
    if row["matched"] == UNFINISHED:
        parts.append("not trained out, so its accuracy is not known yet")
    return f"{'; '.join(parts)}.{_flagged(row)}"


def _publication_words(row: pd.Series) -> str:
    parts = [f"{row['judge']} does not find {_share(row, 'psr_dodging')} of the pictures", f"SSIM {row['ssim']:.2f}"]
    if not math.isnan(row.get("noise_dodging", math.nan)):
        parts.append(f"noise of the same PSNR: {percent(row['noise_dodging'])}")
    if not math.isnan(row["washed_sar2"]):
        parts.append(f"after {row['washed_by']} {percent(row['washed_sar2'])} of the people are found")
    goal = f" Its goal: {row['goal']}." if row["goal"] and row["defense"] != UNDEFENDED else ""
    return f"{'; '.join(parts)}.{goal}{_flagged(row)}"


def _share(row: pd.Series, column: str) -> str:
    lo, hi = row.get(f"{column}_lo", math.nan), row.get(f"{column}_hi", math.nan)
    known: Any = not (math.isnan(lo) or math.isnan(hi))
    return percent(row[column], 1) + (f" ({100 * lo:.1f} to {100 * hi:.1f})" if known else "")


def _flagged(row: pd.Series) -> str:
    names = [name for name in str(row.get("flags", "")).split(",") if name]
    told = [f"{name} {FLAGS[name].title.lower()}" if name in FLAGS else name for name in names]
    return f" Flags: {', '.join(told)}." if told else ""
