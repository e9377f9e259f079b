"""``results.csv`` prepared for boards: roles told apart, seeds averaged, every number found by its full name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from ..record.roles import role_of
from ..record.words import UTILITY_LOSS
from .load import RunFolder
from .seeds import Stat, average

UNDEFENDED = "none"
_SYSTEM = ["dataset", "recognizer", "defense"]
_ID = [*_SYSTEM, "surface", "attack", "knowledge"]
_VARIANT = ["recognizer_access", "n_protected_pairs", "n_aux", "secrets_granted", "protocol"]
_OF_CELLS = ["cell", "metric", "status", "flags", "train_s", "invert_s", "n_queries", "n_aux", "params"]
_WORST_FIRST = ("failed", "refused", "skipped-budget", "absent", "not-applicable", "ok")


class AttackId(NamedTuple):
    """One attack on one defended system at one surface; its seeds are averaged."""

    dataset: str
    recognizer: str
    defense: str
    surface: str
    attack: str
    knowledge: str

    @property
    def label(self) -> str:
        """``decoder (K1)``."""
        return f"{self.attack} ({self.knowledge})" if self.knowledge else self.attack


class Cells(NamedTuple):
    """What became of the cells (seeds) of one attack."""

    status: str  # ok as soon as one seed is ok, else the worst
    n_cells: int
    n_failed: int
    flags: str
    train_s: float
    invert_s: float
    n_queries: float
    n_aux: float
    params: float


@dataclass(frozen=True)
class View:
    """What the boards read.

    Args:
        stats: (attack id, split, metric, judge, fmr) -> number; fmr is 0 where it does not apply.
        seen_judges: attack id -> the judges that scored it on the victims.
        utility: (dataset, recognizer, defense, surface, metric, fmr) -> number.
        cells: attack id -> what became of its cells.
        utility_flags: (dataset, recognizer, defense) -> flags of its utility rows.
        texts: (dataset, recognizer, defense, metric) -> utility facts that are words.
        judges: (dataset, recognizer) -> the independent judge, empty if there is none.
        roles: attack -> ``attack``, ``floor`` or ``ceiling``.
        fmr: the headline false match rate.
        utility_loss: accuracy lost at most where systems are compared by leakage alone.
        who: cell -> the attack that it is a seed of.
        shared: share of their people that two seeds have in common.
    """

    stats: dict[tuple[AttackId, str, str, str, float], Stat]
    seen_judges: dict[AttackId, set[str]]
    utility: dict[tuple[str, str, str, str, str, float], Stat]
    cells: dict[AttackId, Cells]
    utility_flags: dict[tuple[str, str, str], str]
    texts: dict[tuple[str, str, str, str], str]
    judges: dict[tuple[str, str], str]
    roles: dict[str, str]
    fmr: float
    who: dict[str, AttackId]
    utility_loss: float
    shared: float = 1.0

    def get(self, who: AttackId, metric: str, judge: str = "", *, split: str = "victims") -> Stat | None:
        """A number of an attack; SAR rows are read at the headline FMR."""
        fmr = self.fmr if metric.startswith("sar_") else 0.0
        return self.stats.get((who, split, metric, judge, fmr))

    def use(self, system: tuple[str, str, str], metric: str, surface: str = "", fmr: float = 0.0) -> Stat | None:
        """A utility number of (dataset, recognizer, defense)."""
        return self.utility.get((*system, surface, metric, fmr))

    def judge_of(self, who: AttackId) -> str:
        """The judge that decides: independent if there is one, else another space it was scored in, else its target."""
        seen = self.seen_judges.get(who, set())
        independent = self.judges.get((who.dataset, who.recognizer), "")
        if independent in seen:
            return independent
        others = sorted(seen - {who.recognizer})
        return others[0] if others else who.recognizer if seen else ""

    def draws(self, who: AttackId) -> bool:
        """Whether it recovers pictures: only these have a PSNR, and only these are shown to an independent judge."""
        others = self.seen_judges.get(who, set()) - {who.recognizer}
        return self.get(who, "psnr") is not None or not all(own_space(judge) for judge in others)

    def systems(self) -> list[tuple[str, str, str]]:
        """Every (dataset, recognizer, defense) that has an attack or a utility row."""
        return sorted({who[:3] for who in self.cells} | {key[:3] for key in self.utility} | set(self.utility_flags))

    def role(self, who: AttackId) -> str:
        """``attack``, ``floor`` or ``ceiling``."""
        return self.roles.get(who.attack, "attack")


def view_of(run: RunFolder, rows: pd.DataFrame | None = None) -> View:
    """A run's rows, or some of them, read as it says that they are to be read."""
    return prepare(
        run.results if rows is None else rows, run.headline_fmr, run.roles, run.utility_loss, run.shared_people
    )


def prepare(
    results: pd.DataFrame,
    fmr: float,
    told: Mapping[str, str] | None = None,
    utility_loss: float = UTILITY_LOSS,
    shared: float = 1.0,
) -> View:
    """Read ``results`` once for all boards.

    Args:
        results: rows of ``bench/record/results.py``.
        fmr: the headline false match rate.
        told: title of an attack -> its role, as a run keeps it; empty for runs from before.
        utility_loss: as the protocol states it.
        shared: share of their people that two seeds have in common, as ``RunFolder.shared_people``.
    """
    frame = results.assign(fmr=results["fmr"].astype(float).fillna(0.0).map(lambda x: float(f"{x:.6g}")))
    attacks, utility = frame[frame["attack"] != ""].copy(), frame[frame["attack"] == ""]
    attacks["attack"] = _variants(attacks)
    stats = _stats(attacks, shared)
    seen: dict[AttackId, set[str]] = {}
    for who, split, metric, judge, _ in stats:
        if (split, metric) == ("victims", "sar_type2"):
            seen.setdefault(who, set()).add(judge)
    by_name = attacks.groupby("attack")["fidelity"].agg(lambda told: "baseline" if (told == "baseline").any() else "")
    roles = {str(name): role_of(str(name), told or {}, fidelity).value for name, fidelity in by_name.items()}
    return View(
        stats=stats,
        seen_judges=seen,
        utility=_utility(utility, shared),
        cells={AttackId._make(key): _cells(rows) for key, rows in attacks[[*_ID, *_OF_CELLS]].groupby(_ID)},
        utility_flags={key: union(rows["flags"]) for key, rows in utility.groupby(_SYSTEM)},  # type: ignore[misc]
        texts=_texts(utility),
        judges=_independent_judges(seen, roles),
        roles=roles,
        fmr=float(f"{fmr:.6g}"),
        utility_loss=utility_loss,
        who=_who(attacks),
        shared=shared,
    )


def _who(attacks: pd.DataFrame) -> dict[str, AttackId]:
    once = attacks.drop_duplicates("cell")
    return {str(cell): AttackId._make(key) for cell, *key in once[["cell", *_ID]].itertuples(index=False, name=None)}


def own_space(judge: str) -> bool:
    """Whether ``judge`` names the attacker's own recogniser: an embedding-only attack is scored there."""
    return judge.startswith("surrogate")


def union(flags: Iterable[str]) -> str:
    """Comma-separated flag names, each once, F2 before F10."""
    names = {name.strip() for text in flags for name in str(text).split(",")} - {"", "nan"}
    return ",".join(sorted(names, key=lambda name: (len(name), name)))


def _variants(attacks: pd.DataFrame) -> pd.Series:
    """Attack names; one that was run twice per seed with other means gets these means in square brackets.

    Without this, a sweep over the number of protected pairs would be averaged as if its points were seeds.
    """
    names = attacks["attack"].copy()
    counts = attacks.groupby([*_ID, "seed"], dropna=False)["cell"].nunique()
    twice = {key[4] for key, n in counts.items() if n > 1}  # type: ignore[index]
    for name in twice:
        rows = attacks[attacks["attack"] == name]
        differ = [column for column in _VARIANT if rows[column].nunique(dropna=False) > 1] or ["cell"]
        for index, values in rows[differ].iterrows():
            names[index] = f"{name} [{', '.join(_short(c, v) for c, v in values.items())}]"
    return names


def _short(column: object, value: object) -> str:
    text = "all" if value is None or (isinstance(value, float) and math.isnan(value)) else f"{value}"
    if isinstance(value, float) and value.is_integer():
        text = f"{int(value)}"
    return {"n_protected_pairs": f"pairs {text}", "n_aux": f"images {text}"}.get(str(column), text or "none")


def _stats(attacks: pd.DataFrame, shared: float) -> dict[tuple[AttackId, str, str, str, float], Stat]:
    keys = [*_ID, "split", "metric", "judge", "fmr"]
    table = average(attacks, keys, shared)
    return {(AttackId._make(key[:6]), *key[6:]): stat for key, stat in table.items()}


def _utility(utility: pd.DataFrame, shared: float) -> dict[tuple[str, str, str, str, str, float], Stat]:
    """One number per metric: of several splits or protocols the victims' is taken, else the first by name."""
    keys = [*_SYSTEM, "surface", "metric", "fmr"]
    found: dict[tuple[str, str, str, str, str, float], tuple[tuple[bool, str, str], Stat]] = {}
    for key, stat in average(utility, [*keys, "split", "protocol"], shared).items():
        order = (key[6] != "victims", key[6], key[7])
        if key[:6] not in found or order < found[key[:6]][0]:
            found[key[:6]] = (order, stat)
    return {key: stat for key, (_, stat) in found.items()}


def _texts(utility: pd.DataFrame) -> dict[tuple[str, str, str, str], str]:
    """Facts without a number: the word stands in the unit's column."""
    words = utility[(utility["status"] == "ok") & utility["value"].isna() & (utility["unit"] != "")]
    found = words.groupby([*_SYSTEM, "metric"])["unit"].agg(lambda units: ", ".join(sorted(set(units))))
    return {key: str(text) for key, text in found.items()}  # type: ignore[misc]


def _cells(rows: pd.DataFrame) -> Cells:
    whole = rows[(rows["metric"] == "cell") & (rows["status"] != "ok")]
    names = set(rows["cell"])
    bad = set(whole["cell"])
    first = rows.drop_duplicates("cell")  # costs are repeated on every row of a cell
    return Cells(
        status="ok" if names - bad else worst_status(whole["status"]),
        n_cells=len(names),
        n_failed=len(set(whole.loc[whole["status"] == "failed", "cell"])),
        flags=union(rows["flags"].unique()),
        train_s=float(first["train_s"].mean()),
        invert_s=float(first["invert_s"].mean()),
        n_queries=float(first["n_queries"].mean()),
        n_aux=float(first["n_aux"].mean()),
        params=float(first["params"].mean()),
    )


def worst_status(statuses: Iterable[str]) -> str:
    """The status that most needs a look; a word we do not know counts as the worst."""
    return min(statuses, key=lambda word: _WORST_FIRST.index(word) if word in _WORST_FIRST else -1, default="ok")


def _independent_judges(seen: dict[AttackId, set[str]], roles: dict[str, str]) -> dict[tuple[str, str], str]:
    """The judge other than the target that scored most attacks: a surrogate's own space scores only a few."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for who, judges in seen.items():
        for judge in judges - {who.recognizer, ""}:
            tally = counts.setdefault((who.dataset, who.recognizer), {})
            tally[judge] = tally.get(judge, 0) + (not own_space(judge))
    return {
        key: min((name for name, n in tally.items() if n), key=lambda name: (-tally[name], name), default="")
        for key, tally in counts.items()
    }
