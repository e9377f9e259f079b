"""From the cells that are left to the tasks of a run: what they need is made once, ahead of all who need it.

What the plan knows of are recognisers, their embeddings of the splits, fitted defences and fitted attacks. What a
plug-in asks for while it learns (a prior, a student) is not known before; two workers that ask for one such thing at
the same time are told apart by the store: the second does another task meanwhile (``Busy``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...defenses.base import overrides
from ..execute.task import Task
from ..plan.cells import Cell, make_attack, make_defense
from ..plan.track import DefenseSpec
from ..prepare.session import Session
from ..recover.fit import fit_recipe


@dataclass(frozen=True)
class MakeRecognizer:
    """Train one that is trained here."""

    alias: str
    seed: int


@dataclass(frozen=True)
class MakeEmbeddings:
    """What a recogniser says of a split."""

    alias: str
    split: str
    seed: int


@dataclass(frozen=True)
class MakeSystem:
    """Fit a defence."""

    defense: DefenseSpec
    alias: str
    seed: int


@dataclass(frozen=True)
class RunCell:
    """Run a cell."""

    key: str
    cell: Cell


def tasks_of(session: Session, left: Mapping[str, Cell]) -> list[Task]:
    """The tasks of some cells, in the order of these, each after what it needs.

    Args:
        session: of the run; nothing is made.
        left: cells to run, by key.
    """
    ahead: dict[str, Task] = {}
    fits = {key: _fits(session.of(cell.seed), cell) for key, cell in left.items()}
    found = []
    for key, cell in left.items():
        needs = set()
        for task in _needs(session.of(cell.seed), cell):
            ahead.setdefault(task.key, task)
            needs.add(task.key)
        # An ensemble's members run as cells of their own too: their fits are there when these have ended.
        needs |= {
            other for other, makes in fits.items() if cell.members and not left[other].members and makes & fits[key]
        }
        home = (cell.target.recognizer, cell.defense.title, cell.seed, cell.surface.value if cell.surface else "")
        makes = frozenset(fits[key])
        found.append(
            Task(key, str(cell), RunCell(key, cell), frozenset(needs), makes, home, heavy=bool(makes))
        )  # fmt: skip
    return [*ahead.values(), *found]


def _needs(session: Session, cell: Cell) -> Iterator[Task]:
    """What is made ahead of a cell, unless it is there."""
    target = cell.target
    judged, own = (target.recognizer, *target.judges), tuple(filter(None, [target.surrogate]))
    protectors = session.track.protocol.protectors
    for alias in dict.fromkeys((*judged, *own, *protectors)):
        yield from _recognizer(session, alias)
    for alias in dict.fromkeys((*judged, *own)):
        splits = ("public",) if alias in own else ("victims", "calibration")
        for split in (*splits, *(("public",) if alias == target.recognizer and cell.attack else ())):
            recipe = session.embeddings_recipe(alias, split)
            if not session.store.has(recipe):
                made = MakeEmbeddings(alias, split, session.seed)
                yield _ahead(recipe.key, f"embeddings of {alias}, {split}", made, [_of_recognizer(session, alias)])
    defense = make_defense(cell.defense)
    if overrides(defense, "_fit"):
        recipe = session.systems.recipe(defense, target.recognizer, cell.seed)
        if not session.store.has(recipe):
            before = [_of_recognizer(session, alias) for alias in (target.recognizer, *protectors)]
            what = MakeSystem(cell.defense, target.recognizer, cell.seed)
            yield _ahead(recipe.key, f"defence {cell.defense.title} on {target.recognizer}", what, before)


def _recognizer(session: Session, alias: str) -> Iterator[Task]:
    recipe = session.recognizers.recipe(alias)
    if session.recognizers.trained_here(alias) and not session.store.has(recipe):
        yield _ahead(_of_recognizer(session, alias), f"recogniser {alias}", MakeRecognizer(alias, session.seed), [])


def _of_recognizer(session: Session, alias: str) -> str:
    return session.recognizers.recipe(alias).key


def _ahead(key: str, title: str, what: Any, after: list[str]) -> Task:
    return Task(key, title, what, frozenset(after), ahead=True, heavy=True)


def _fits(session: Session, cell: Cell) -> set[str]:
    """Keys of the attack's fits that a cell makes if they are not there yet."""
    found = set()
    for one in cell.members or (cell,):
        if one.attack is None or not (attack := make_attack(one.attack)).trained:
            continue
        recipe = fit_recipe(session, one, attack)
        if not session.store.has(recipe):
            found.add(recipe.key)
    return found
