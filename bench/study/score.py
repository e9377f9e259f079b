"""``faceleak lineup-score``: re-identification rates of people, with the baseline they must be held against."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import InputError
from ..core.seeding import stable_hash
from ..metrics.human import d_prime_forced_choice, kappa_free, rate_ratio
from ..metrics.intervals import wilson
from .design import BASELINE, CATCH

COLUMNS = (
    "condition", "respondents", "people", "answers", "correct", "rate", "rate_lo", "rate_hi", "both_lo", "both_hi",
    "d_prime", "d_prime_lo", "d_prime_hi", "ratio", "ratio_lo", "ratio_hi", "ratio_chance", "kappa", "seconds",
)  # fmt: skip
_RESAMPLES = 2000


@dataclass(frozen=True)
class Score:
    """What a study found.

    Args:
        table: a row per condition (``COLUMNS``); the baseline is the last.
        excluded: respondent -> why.
        notes: what a reader must know.
    """

    table: pd.DataFrame
    excluded: dict[str, str]
    notes: tuple[str, ...]


def score(answers: pd.DataFrame, key: dict[str, Any], catch: float = 0.75, level: float = 0.95) -> Score:
    """Rates, d', ratios and agreement of the respondents who passed the catch trials.

    Args:
        answers: as ``read_answers`` gives them.
        key: of the study.
        catch: least share of catch trials that a respondent must have right, decided before the answers are seen.
        level: of the intervals.

    Raises:
        InputError: nobody is left, or ``catch`` is no share.
    """
    if not 0 <= catch <= 1:
        raise InputError(f"--catch {catch}: a share of the catch trials is wanted, in [0, 1].")
    excluded = dict(_excluded(answers, catch))
    kept = answers[~answers["respondent"].isin(excluded) & (answers["kind"] != CATCH)]
    if kept.empty:
        raise InputError(
            f"No answers are left: {len(excluded)} of {answers['respondent'].nunique()} respondents were left out "
            f"({'; '.join(sorted(set(excluded.values())))})."
        )
    base = kept[kept["kind"] == BASELINE]
    kinds = [kind for kind in (*key["conditions"], BASELINE) if (kept["kind"] == kind).any()]
    rows = [_row(kept[kept["kind"] == kind], base, key, level) for kind in kinds]
    return Score(pd.DataFrame(rows, columns=list(COLUMNS)), excluded, tuple(_notes(kept, base, answers, key)))


def _excluded(answers: pd.DataFrame, catch: float) -> Iterator[tuple[str, str]]:
    for who, rows in answers.groupby("respondent"):
        seen = rows[rows["kind"] == CATCH]["correct"]
        if not len(seen) and catch > 0:
            yield str(who), "no catch trial answered"
        elif len(seen) and seen.mean() < catch:
            yield str(who), f"fewer than {100 * catch:g} % of the catch trials right"


def _row(rows: pd.DataFrame, base: pd.DataFrame, key: dict[str, Any], level: float) -> dict[str, Any]:
    kind, n, hits = str(rows["kind"].iloc[0]), len(rows), int(rows["correct"].sum())
    rate = wilson(hits, n, level)
    both = _both_ways(rows, level)
    d = d_prime_forced_choice(hits, n, int(key["faces"]), level)
    ratio: tuple[float, float, float] = (math.nan,) * 3
    if kind != BASELINE and len(base) and (hits or base["correct"].any()):
        found = rate_ratio(hits, n, int(base["correct"].sum()), len(base), level)
        ratio = (found.value, found.lo, found.hi)
    numbers = (
        kind, rows["respondent"].nunique(), rows["person"].nunique(), n, hits, rate.value, rate.lo, rate.hi, *both,
        d.value, d.lo, d.hi, *ratio, rate.value * int(key["faces"]), _kappa(rows, key), float(rows["seconds"].median()),
    )  # fmt: skip
    return dict(zip(COLUMNS, numbers, strict=True))


def _both_ways(rows: pd.DataFrame, level: float) -> tuple[float, float]:
    """Percentile bootstrap that draws respondents and people anew: answers of one respondent, and about one face, hang
    together, which Wilson's interval does not know. NaN with fewer than two of either, or where all answers agree."""
    table = rows.pivot_table(index="respondent", columns="person", values="correct", aggfunc="mean").astype(float)
    right, asked = table.fillna(0).to_numpy(), table.notna().to_numpy(dtype=float)
    if min(right.shape) < 2 or right.sum() in (0, asked.sum()):
        return math.nan, math.nan
    rng = np.random.default_rng(stable_hash("both ways", *table.index, *table.columns) % 2**32)
    rates = []
    for _ in range(_RESAMPLES):
        who, whom = (rng.multinomial(size, np.full(size, 1 / size)) for size in right.shape)
        if weight := who @ asked @ whom:
            rates.append(who @ right @ whom / weight)
    lo, hi = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(lo), float(hi)


def _kappa(rows: pd.DataFrame, key: dict[str, Any]) -> float:
    """NaN where no trial has two raters."""
    counts = []
    for trial, votes in rows.groupby("trial"):
        chosen = votes["choice"].value_counts()
        counts.append([int(chosen.get(face, 0)) for face in key["trials"][str(trial)]["candidates"]])
    return kappa_free(counts) if max(map(sum, counts)) >= 2 else math.nan


def _notes(kept: pd.DataFrame, base: pd.DataFrame, answers: pd.DataFrame, key: dict[str, Any]) -> Iterator[str]:
    if base.empty:
        yield "No baseline trial was answered, so there is no ratio to it; ratio_chance is the rate over 1 / faces."
    if answers["respondent"].nunique() < 2:
        yield "One respondent: the intervals say nothing of other people, and there is no agreement to report."
    partial = answers.groupby("respondent").size()
    short = partial[partial < int(key["trials_per_form"])]
    if len(short):
        yield f"{len(short)} respondents stopped early; what they answered counts."
    if len(base) >= 30:
        found = wilson(int(base["correct"].sum()), len(base))
        chance = 1 / int(key["faces"])
        if not found.lo <= chance <= found.hi:
            yield (
                f"The baseline is {100 * found.value:.1f} % [{100 * found.lo:.1f}, {100 * found.hi:.1f}], chance is "
                f"{100 * chance:.1f} %: the line-ups are not fair by themselves. Hold rates against the baseline."
            )
    forms = kept["form"].nunique()
    if forms < int(key["forms"]):
        yield f"{forms} of {key['forms']} forms were answered: conditions were shown with other people."


def told(found: Score) -> str:
    """In words, for the terminal."""
    lines = []
    for row in found.table.to_dict("records"):
        text = f"{row['condition']}: {row['correct']} of {row['answers']} right, {_percent(row, 'rate')}"
        text += f", d' {row['d_prime']:.2f} [{row['d_prime_lo']:.2f}, {row['d_prime_hi']:.2f}]"
        if not math.isnan(row["ratio"]):
            text += f", {row['ratio']:.2f} times the baseline [{row['ratio_lo']:.2f}, {row['ratio_hi']:.2f}]"
        if not math.isnan(row["both_lo"]):
            text += f"; over respondents and people [{100 * row['both_lo']:.1f}, {100 * row['both_hi']:.1f}] %"
        if not math.isnan(row["kappa"]):
            text += f"; agreement {row['kappa']:.2f}"
        lines.append(text)
    lines += [f"Left out {who}: {why}." for who, why in sorted(found.excluded.items())]
    return "\n".join((*lines, *found.notes))


def _percent(row: dict[Any, Any], name: str) -> str:
    return f"{100 * row[name]:.1f} % [{100 * row[f'{name}_lo']:.1f}, {100 * row[f'{name}_hi']:.1f}]"
