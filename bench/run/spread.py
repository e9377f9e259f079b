"""``faceleak compare A B --spread``: how far two runs of one track are apart, as on two machines, row by row.

Rows are those of one metric at the headline false match rate, of victims where it has a split; they are matched by who
met whom, seed and judge. What is not the machine's doing (another track, other pictures, other code, another secret
root) is named, and another track or other people are refused: then the rows are not those of one definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import InputError
from ..core.json_file import read_json
from ..isolation.roots import PUBLISHED
from ..report.definitions import changed, other_people, other_rules
from ..report.load import RunFolder, load_run

METRICS = ("sar_type2", "accuracy")
_CELL = ["dataset", "recognizer", "defense", "surface", "attack", "knowledge", "seed", "recognizer_access",
         "secrets_granted", "n_aux", "n_protected_pairs"]  # fmt: skip
_ROW = [*_CELL, "metric", "judge", "split"]
_FREE = ("protocol", "seeds", "name", "title", "expected")  # of the resolved track: compared elsewhere, or words
_MACHINE = ("cpu", "kernels", "device", "torch", "os")
_NAMED = ("defense", "surface", "attack", "knowledge", "judge")


@dataclass(frozen=True)
class Spread:
    """Rows of two runs side by side.

    Args:
        table: a row each: ``_ROW``, ``a``, ``b`` and ``gap``, the larger minus the smaller.
        alone: rows that A has and B has not, and the reverse.
        fmr: the headline false match rate.
        machines: what tells the two machines apart, in words.
        notes: what else is not the same.
    """

    table: pd.DataFrame
    alone: tuple[int, int]
    fmr: float
    machines: tuple[str, str]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        names = {"sar_type2": f"SAR Type-II at FMR {self.fmr:g}", "accuracy": "Accuracy"}
        lines = [f"A: {self.machines[0]}", f"B: {self.machines[1]}"]
        for metric, rows in self.table.groupby("metric", sort=False):
            lines.append(_told(f"{names[str(metric)]}, all rows", rows))
            judges = rows["judge"].unique()
            for judge in judges if len(judges) > 1 else ():
                lines.append(_told(f"  judge {judge}", rows[rows["judge"] == judge]))
            worst = rows.sort_values("gap", ascending=False, kind="stable").head(3)
            lines += [f"  {row['gap']:.4f}: {_label(row)}, A {row['a']:.4f}, B {row['b']:.4f}"
                      for row in worst.to_dict("records") if row["gap"] > 0]  # fmt: skip
        if any(self.alone):
            lines.append(f"{self.alone[0]} rows are in A alone, {self.alone[1]} in B alone.")
        return "\n".join([*lines, *self.notes])


def _told(what: str, rows: pd.DataFrame) -> str:
    gaps = rows["gap"]
    return (
        f"{what}: {len(rows)} rows, |A - B| mean {gaps.mean():.4f}, median {gaps.median():.4f}, "
        f"at most {gaps.max():.4f}; {int((gaps == 0).sum())} the same to the last digit."
    )


def _label(row: Mapping[Any, Any]) -> str:
    return " / ".join(str(row[name]) for name in _NAMED if row[name])


def spread_of(first: Path, second: Path) -> Spread:
    """How far the rows of two runs of one track are apart.

    Args:
        first: a run folder, or a committed copy.
        second: another.

    Raises:
        RunFolderError: one is not a run folder.
        InputError: their tracks, protocols or people differ, or no row is in both.
    """
    runs = [load_run(folder, cells=False) for folder in (first, second)]
    if problems := list(_problems(*runs)):
        raise InputError(f"{first} and {second} are not runs of one definition: {'; '.join(problems)}.")
    tables = [_rows(run) for run in runs]
    both = tables[0].merge(tables[1], how="outer", on=[*_ROW, "nth"], suffixes=("_a", "_b"), indicator="side")
    shared = both[both["side"] == "both"].rename(columns={"value_a": "a", "value_b": "b"})
    if shared.empty:
        raise InputError(f"{first} and {second} have no row of {' or '.join(METRICS)} in common.")
    table = shared.assign(gap=(shared["a"] - shared["b"]).abs())[[*_ROW, "a", "b", "gap"]]
    table = table.sort_values(["metric", *_ROW], ascending=[False, *[True] * len(_ROW)], kind="stable")
    alone = int((both["side"] == "left_only").sum()), int((both["side"] == "right_only").sum())
    machines = _machine(runs[0].env), _machine(runs[1].env)
    return Spread(table.reset_index(drop=True), alone, runs[0].headline_fmr, machines, tuple(_notes(*runs)))


def _rows(run: RunFolder) -> pd.DataFrame:
    """Rows with a number, numbered where several have one name."""
    table = run.results
    good = (table["status"] == "ok") & table["value"].notna() & table["metric"].isin(METRICS)
    victims = (table["metric"] != "sar_type2") | (
        (table["split"] == "victims") & np.isclose(table["fmr"], run.headline_fmr)
    )
    found = table.loc[good & victims, [*_ROW, "value"]].copy()
    found[["n_aux", "n_protected_pairs"]] = found[["n_aux", "n_protected_pairs"]].fillna(-1)  # NaN equals nothing
    return found.assign(nth=found.groupby(_ROW).cumcount())


def _problems(a: RunFolder, b: RunFolder) -> Iterator[str]:
    """Why the rows would not be of one definition."""
    if a.run.get("track") != b.run.get("track"):
        yield f"track is {a.run.get('track')} and {b.run.get('track')}"
    yield from other_rules(a, b)
    mine, its = (dict(run.run.get("resolved") or {}) for run in (a, b))
    yield from changed("track", mine, its, _FREE)
    yield from other_people(a, b)


def _notes(a: RunFolder, b: RunFolder) -> Iterator[str]:
    """What is not the same and is not the machine's doing."""
    commits = [str(run.env.get("code_sha") or "unknown")[:12] for run in (a, b)]
    if commits[0] != commits[1]:
        yield f"Commits differ ({commits[0]} and {commits[1]}): what the code changed is in the numbers too."
    pictures = [{name: part.get("sha256") for name, part in dict(run.manifest.get("datasets") or {}).items()}
                for run in (a, b)]  # fmt: skip
    if pictures[0] != pictures[1]:
        yield "The pictures differ (manifest.json, datasets): the rows are of other pixels."
    roots = [_root(run) for run in (a, b)]
    if None not in roots and roots[0] != roots[1]:
        yield (
            "The secret roots differ: keys, noise and what is trained on them are others. FACELEAK_SECRET_ROOT set to "
            f"that of {PUBLISHED} repeats them."
        )


def _root(run: RunFolder) -> Any:
    try:
        return read_json(run.path / PUBLISHED)
    except (OSError, ValueError):
        return None


def _machine(env: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {env[name]}" for name in _MACHINE if env.get(name)) or "unknown machine"
