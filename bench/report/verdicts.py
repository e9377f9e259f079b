"""What a board may say of each system and attack, and what it may not: the facts behind the words of its notes.

Everything comes from the rows and from the board of paired comparisons (``boards/significance.csv``) through the code
that ranks boards. What a run is too old for is said to be unknown; nothing is judged by intervals that do not touch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .board_attributes import split_probes
from .board_defenses import UNFINISHED, defense_board, reach
from .load import RunFolder
from .rows import UNDEFENDED, AttackId, View, view_of
from .seeds import Stat
from .significance import ATTACKS, DEFENSES, Place, Verdicts, read_table
from .strongest import Choice, strongest, value_of

RIDGE = "linear-ridge"
TRAINED, FALLING = "train_epochs", "train_still_falling"


class Gap(NamedTuple):
    """A minus B, paired by victim, with p after Holm's correction over the board."""

    value: float
    lo: float
    hi: float
    p: float
    proven: bool


class Reached(NamedTuple):
    """How far an attack came, or a floor."""

    who: AttackId
    judge: str
    sar2: Stat


class Rival(NamedTuple):
    """A floor beside an attack; ``gap`` is the attack minus the floor, None where the two were never compared."""

    floor: Reached
    gap: Gap | None


@dataclass(frozen=True)
class System:
    """One system at one surface.

    Args:
        row: of the board of defences.
        attacks: strongest by knowledge: those that draw pictures.
        named: strongest by knowledge: those that only tell who it is.
        best: the strongest attack that draws pictures and is no floor.
        rivals: the floors that it must clear: the highest under its judge, and ridge regression.
        less: undefended minus this system, as the board ranks both; None where never compared.
        epochs: how often the least trained network of the defence saw its pictures; NaN where nothing was trained, or
            the run is older than the record.
        falling: by how much its loss still fell.
    """

    row: Mapping[Any, Any]
    attacks: tuple[Reached, ...]
    named: tuple[Reached, ...]
    best: Reached | None
    rivals: tuple[Rival, ...]
    less: Gap | None
    epochs: float
    falling: float

    @property
    def flags(self) -> set[str]:
        """Of the system and of the attacks that its row shows."""
        return set(str(self.row["flags"]).split(",")) - {""}


class Notes:
    """A run, asked for verdicts.

    Args:
        run: with its rows; its cells are not needed.
    """

    def __init__(self, run: RunFolder) -> None:
        rates = run.results["fmr"]
        self.run = run
        self.rows = run.results[rates.isna() | np.isclose(rates, run.headline_fmr)]  # boards read no other
        self.view: View = view_of(run, split_probes(self.rows)[1])
        self.table = read_table(run.path / "boards" / "significance.csv")
        self.board = defense_board(self.view, Verdicts(self.table))
        self._gaps = dict(_gaps(self.table))
        self.compared = bool(self._gaps)
        told = run.manifest.get("metrics")
        self.records_training = isinstance(told, Mapping) and TRAINED in told

    def systems(self, group: pd.DataFrame) -> list[System]:
        """Of rows of the board of defences that belong together, the undefended first."""
        return [self._system(row) for row in group.to_dict("records")]

    def attacks(self, group: pd.DataFrame) -> list[tuple[Reached, Rival | None]]:
        """Every attack and floor on one undefended system, strongest first, beside the highest floor of its judge.

        Args:
            group: the board's row of that system.
        """
        (row,) = group.to_dict("records")
        here = self._here(row)
        found = [one for who in here if (one := self._reached(who, self.view.judge_of(who)))]
        found.sort(key=lambda one: (-one.sar2.value, one.who))
        return [(one, self._rival(one, self._highest(here, one.judge))) for one in found]

    def _here(self, row: Mapping[Any, Any]) -> list[AttackId]:
        system = tuple(str(row[name]) for name in ("dataset", "recognizer", "defense", "surface"))
        return [who for who in sorted(self.view.cells) if who[:4] == system and self.view.role(who) != "ceiling"]

    def _system(self, row: Mapping[Any, Any]) -> System:
        here = self._here(row)
        own = [who for who in here if self.view.role(who) == "attack"]
        best = self._of(strongest(self.view, own))
        place = tuple(str(row[name]) for name in ("dataset", "recognizer", "defense"))
        epochs, falling = (value_of(self.view.use((place[0], place[1], place[2]), name)) for name in (TRAINED, FALLING))
        return System(
            row=row,
            attacks=tuple(self._by_knowledge(here, pictures=True)),
            named=tuple(self._by_knowledge(here, pictures=False)),
            best=best,
            rivals=tuple(self._rivals(here, best)),
            less=self._less(row),
            epochs=epochs,
            falling=falling,
        )

    def _by_knowledge(self, here: Sequence[AttackId], *, pictures: bool) -> Iterator[Reached]:
        for level in sorted({who.knowledge for who in here}):
            able = [who for who in here if who.knowledge == level]
            if found := self._of(strongest(self.view, able, pictures=pictures)):
                yield found

    def _rivals(self, here: Sequence[AttackId], best: Reached | None) -> Iterator[Rival]:
        if best is None:
            return
        highest = self._highest(here, best.judge)
        if found := self._rival(best, highest):
            yield found
        ridge = [who for who in here if who.attack == RIDGE]
        other = self._highest(ridge, best.judge)
        if other and (highest is None or other.who != highest.who) and (found := self._rival(best, other)):
            yield found

    def _highest(self, here: Sequence[AttackId], judge: str) -> Reached | None:
        """The highest floor under a judge, chosen as boards choose."""
        floors = [who for who in here if self.view.role(who) == "floor"]
        return self._of(strongest(self.view, floors, judge=judge))

    def _rival(self, one: Reached, floor: Reached | None) -> Rival | None:
        if floor is None or floor.who == one.who:
            return None
        who = one.who
        place = Place(who.dataset, who.recognizer, who.surface, ATTACKS, who.defense)
        return Rival(floor, self._gaps.get((place, one.judge, who.label, floor.who.label)))

    def _less(self, row: Mapping[Any, Any]) -> Gap | None:
        place = Place(str(row["dataset"]), str(row["recognizer"]), str(row["surface"]), DEFENSES)
        return self._gaps.get((place, "", UNDEFENDED, str(row["defense"])))

    def _of(self, choice: Choice | None) -> Reached | None:
        return self._reached(choice.who, choice.judge) if choice else None

    def _reached(self, who: AttackId, judge: str) -> Reached | None:
        found = self.view.get(who, "sar_type2", judge)
        return Reached(who, judge, found) if found and not math.isnan(found.value) else None


def _gaps(table: pd.DataFrame) -> Iterator[tuple[tuple[Place, str, str, str], Gap]]:
    """(place, judge, A, B) -> A minus B, either way round; of defences the judge is that of each, so it is left out."""
    for row in table.to_dict("records"):
        place = Place(*(str(row[name]) for name in Place._fields))
        judge = "" if place.kind == DEFENSES else str(row["judge"])
        a, b, proven, p = str(row["a"]), str(row["b"]), row["significant"] == "yes", float(row["p_holm"])
        value, lo, hi = (float(row[name]) for name in ("difference", "difference_lo", "difference_hi"))
        yield (place, judge, a, b), Gap(value, lo, hi, p, proven)
        yield (place, judge, b, a), Gap(-value, -hi, -lo, p, proven)


def verdict(system: System, notes: Notes) -> str:
    """What may be said of a defended system, in words; empty of the undefended one.

    No verdict where its networks were not trained out (F17), and none against the undefended system where the two were
    never compared.
    """
    row = system.row
    if row["defense"] == UNDEFENDED:
        return ""
    if "F17" in system.flags or row["matched"] == UNFINISHED:
        seen = "" if math.isnan(system.epochs) else f" after {system.epochs:.3g} epochs"
        return f"no verdict: not trained out{seen} (F17)"
    lost = "F7" in system.flags or row["matched"] == "no"
    parts = ["loses more accuracy than allowed"] if lost else ["keeps accuracy"] if row["matched"] == "yes" else []
    if math.isnan(float(reach(pd.DataFrame([row]))["reach"].iloc[0])):
        parts.append("no attack on it has a number")
    elif system.less is None:
        parts.append("leaks less? not compared")
    elif not system.less.proven:
        parts.append("not proven to leak less")
    else:
        parts.append("leaks less, proven" if system.less.value > 0 else "leaks **more**, proven")
    if "F15" in system.flags:
        parts.append("at least: the attack is not saturated (F15)")
    if lost and not notes.records_training:
        parts.append("whether it was trained out is not known")
    return "; ".join(parts)
