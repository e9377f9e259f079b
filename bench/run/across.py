"""``faceleak compare A B``: what two runs have in common, attack by attack, paired by victim.

Cells are matched by who met whom, whatever their seed. Where both kept scores, the difference of SAR Type-II at the
headline false match rate is paired by the victims' names, with interval and exact p, and Holm's correction over all
that are compared (``bench/report/comparisons.py``). Data sets that name their people alike are taken for the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ..core.errors import InputError
from ..metrics.comparisons import Difference, holm
from ..report.board_attributes import split_probes
from ..report.comparisons import Kept
from ..report.load import RunFolder, load_run
from ..report.rows import AttackId, prepare
from ..report.strongest import value_of

COLUMNS = (
    "recognizer", "defense", "surface", "attack", "knowledge", "judge", "a", "b", "difference", "lo", "hi", "p_holm",
    "verdict", "n",
)  # fmt: skip


@dataclass
class Comparison:
    """A and B side by side.

    Args:
        table: ``COLUMNS``, rates as fractions.
        only: labels that one of the two has alone.
        without: labels that both have, and one without scores, victims or seeds in common.
    """

    table: pd.DataFrame
    only: dict[str, list[str]] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        shown = self.table.copy()
        for name in ("a", "b", "difference", "lo", "hi"):
            shown[name] = (100 * shown[name].astype(float)).map("{:.1f}".format)
        shown["p_holm"] = shown["p_holm"].astype(float).map("{:.3f}".format)
        lines = [shown.to_string(index=False)] if len(shown) else []
        counts = self.table["verdict"].value_counts()
        told = ", ".join(f"{counts.get(word, 0)} {word}" for word in ("A is higher", "B is higher", "tie"))
        lines.append(f"{len(self.table)} compared by SAR Type-II, percent, paired by victim, Holm over all: {told}.")
        lines += [f"Only in {run}: {'; '.join(names)}." for run, names in self.only.items() if names]
        if self.without:
            lines.append(f"In both, but not with scores of the same victims and seeds: {'; '.join(self.without)}.")
        return "\n".join(lines)


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare what two run folders have in common.

    Raises:
        RunFolderError: one is not a run folder.
        InputError: they have no attack in common, or other headline false match rates.
    """
    runs = [load_run(folder) for folder in (first, second)]
    rates = [run.headline_fmr for run in runs]
    if rates[0] != rates[1]:
        told = f"{first} is read at FMR {rates[0]:g}, {second} at {rates[1]:g}"
        raise InputError(f"{told}; run one of them at the other's headline_fmr.")
    kept = [_kept(run) for run in runs]
    who = [{one for one, _ in part.rates} | set(part.view.cells) for part in kept]
    both = sorted(who[0] & who[1])
    if not both:
        raise InputError(f"{first} and {second} have no attack on one system in common; nothing can be compared.")
    rows, without = [], []
    for one in both:
        judges = sorted(judge for name, judge in set(kept[0].rates) & set(kept[1].rates) if name == one)
        found = [(judge, kept[0].compare((one, judge), (one, judge), kept[1])) for judge in judges]
        rows += [_row(one, judge, pair[0], kept) for judge, pair in found if pair is not None]
        if not any(pair for _, pair in found):
            without.append(_label(one))
    table = pd.DataFrame(rows, columns=[*COLUMNS, "p"])
    table["p_holm"] = holm(table["p"].tolist())
    apart = (table["lo"] > 0) | (table["hi"] < 0)
    proven = apart & (table["p_holm"] < 1 - kept[0].level)
    table["verdict"] = ["tie" if not sure else "A is higher" if gap > 0 else "B is higher"
                        for sure, gap in zip(proven, table["difference"])]  # fmt: skip
    sides = zip((first, second), (who[0] - who[1], who[1] - who[0]))
    only = {str(folder): [_label(one) for one in sorted(alone)] for folder, alone in sides}
    return Comparison(table[list(COLUMNS)], only, without)


def _kept(run: RunFolder) -> Kept:
    problems: list[str] = []
    return Kept(run, prepare(split_probes(run.results)[1], run.headline_fmr, run.roles, run.utility_loss), problems)


def _row(who: AttackId, judge: str, found: Difference, kept: list[Kept]) -> dict[str, object]:
    values = [value_of(part.view.get(who, "sar_type2", judge)) for part in kept]
    return who._asdict() | {
        "judge": judge, "a": values[0], "b": values[1], "difference": found.value, "lo": found.lo, "hi": found.hi,
        "p": found.p, "n": found.n,
    }  # fmt: skip


def _label(who: AttackId) -> str:
    return " / ".join(word for word in (who.recognizer, who.defense, who.surface, who.label) if word)
