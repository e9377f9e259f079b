"""From the rows of several seeds to one number: the mean, its interval over all that was drawn, the seeds' spread."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

_REDRAWN = ("victims", "calibration")  # splits whose people a seed may draw anew; those of pairs and tests stay


class Stat(NamedTuple):
    """A number: mean over seeds, its interval over them and over people, the extreme seeds and their spread."""

    value: float
    lo: float
    hi: float
    low: float
    high: float
    n_seeds: int
    std: float = math.nan


def spread(name: str, stat: Stat | None) -> dict[str, float]:
    """A number and its interval as three columns, empty where there is none."""
    numbers = (stat.value, stat.lo, stat.hi) if stat else (math.nan,) * 3
    return dict(zip((name, f"{name}_lo", f"{name}_hi"), numbers, strict=True))


def average(frame: pd.DataFrame, keys: list[str], shared: float) -> dict[tuple, Stat]:  # type: ignore[type-arg]
    """One number for each combination of ``keys``, of the rows that have one.

    Args:
        frame: rows, of several seeds.
        keys: columns that tell numbers apart; ``split`` is one of them.
        shared: share of their people that two seeds have in common, 1 where seeds do not move splits.
    """
    good = frame[(frame["status"] == "ok") & frame["value"].notna()]
    if good.empty:
        return {}
    # One value per seed first, so that a seed with two rows does not count twice.
    seeds = good.groupby([*keys, "seed"], dropna=False).agg(
        value=("value", "mean"), lo=("ci_lo", "min"), hi=("ci_hi", "max"), unit=("unit", "first")
    )
    table = seeds.groupby(keys, dropna=False).agg(
        value=("value", "mean"), lo=("lo", "mean"), hi=("hi", "mean"), low=("value", "min"), high=("value", "max"),
        n=("value", "size"), std=("value", "std"), unit=("unit", "first"),
    )  # fmt: skip
    redrawn = table.index.get_level_values("split").isin(_REDRAWN)
    _over_seeds(table, np.where(redrawn, shared, 1.0))
    return {
        key: Stat._make((*row[:5], int(row[5]), row[6]))
        for key, row in zip(table.index, table.itertuples(index=False, name=None))
    }


def _over_seeds(table: pd.DataFrame, shared: np.ndarray) -> None:
    """Make ``lo`` and ``hi`` the ends of an interval over people and seeds together, by MOVER.

        d^2 = f w^2 + t^2 s^2 / S

    on each side: w the seeds' mean distance to that end, S seeds, s their standard deviation, t Student's, f the share
    of people in common. Where all seeds have the same people (f = 1) their part is in every value alike, and s knows
    only of the seed; where nobody is the same (f = 0) s has all of it. Between these, of the mean's variance
    w^2 (1 + (S - 1) f) / S that is due to people, s^2 / S has w^2 (1 - f) / S, and f w^2 is left.
    """
    several = table["n"] > 1
    seeds = table.loc[several, "n"]
    half = stdtrit(seeds - 1, 0.975) * table.loc[several, "std"] / np.sqrt(seeds)
    common = np.sqrt(shared[several.to_numpy()])
    for end, sign in (("lo", -1.0), ("hi", 1.0)):
        reach = (table.loc[several, end] - table.loc[several, "value"]).abs()
        table.loc[several, end] = table.loc[several, "value"] + sign * np.hypot(common * reach, half)
    shares = several & (table["unit"] == "fraction") & (table["low"] >= 0)
    table.loc[shares, ["lo", "hi"]] = table.loc[shares, ["lo", "hi"]].clip(0.0, 1.0)
