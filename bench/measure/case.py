"""What a measurement looks at: one cell, with what was recovered in it and who judges, each made when asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

from ...attacks.base import Attack
from ...defenses.base import Defense
from ..core.faces import FaceSet, resize
from ..core.recovery import Recovery
from ..core.threat import DefenseKnowledge
from ..leak.leaked import LeakedSet
from ..plan.cells import Cell, make_attack
from ..plan.track import Protocol
from ..prepare.session import Session
from ..record.results import Row
from ..recover.attack import run_attack
from ..recover.ensemble import run_ensemble
from ..recover.outcome import Outcome
from .enrolment import Enrolled, compare_pairs, enrolled, impostor_pairs
from .judges import Judge, judges_of
from .shown import Published, shown_of


class Case:
    """One cell of a track.

    Args:
        session: of the run.
        cell: which attack meets which defence, or a defended system alone.
    """

    def __init__(self, session: Session, cell: Cell) -> None:
        self.session, self.cell = session.of(cell.seed), cell
        self._similar: dict[tuple[str, str], np.ndarray] = {}
        self._enrolled: dict[tuple[int, str], Enrolled] = {}

    @property
    def protocol(self) -> Protocol:
        """The rules of measurement."""
        return self.session.track.protocol

    @property
    def alias(self) -> str:
        """The attacked or defended recogniser, by the track's name for it."""
        return self.cell.target.recognizer

    @cached_property
    def system(self) -> Defense:
        """The defence, fitted on its recogniser."""
        return self.session.defense(self.cell.defense, self.alias, self.cell.seed)

    @cached_property
    def attack(self) -> Attack:
        """The attack, not fitted."""
        assert self.cell.attack is not None, "a system's case has no attack"
        return make_attack(self.cell.attack)

    def faces(self, split: str = "victims") -> FaceSet:
        """The photographs of a split."""
        return self.session.faces(split)

    @cached_property
    def outcome(self) -> Outcome:
        """What the attack did: fitted (or an equal fit loaded), then run on the leaks."""
        run = run_ensemble if self.cell.members else run_attack
        return run(self.session, self.cell)

    @property
    def leaked(self) -> LeakedSet:
        """What leaked of the victims: L leaks, ``index`` (L,) of the photographs that they are of."""
        return self.outcome.leaked["victims"]

    @property
    def recovery(self) -> Recovery:
        """What came back of the L leaks."""
        return self.outcome.recoveries["victims"]

    @property
    def owner(self) -> np.ndarray:
        """(L,) label of the person behind each leak."""
        return self.leaked.faces.labels[self.leaked.index].numpy()

    @cached_property
    def originals(self) -> torch.Tensor:
        """(L, 3, s, s) the photographs that leaked, at the side of the recovered pictures."""
        assert self.recovery.images is not None
        return resize(self.leaked.faces.images(self.leaked.index), self.recovery.images.shape[-1])

    @property
    def mean_face(self) -> torch.Tensor:
        """(3, s, s) the mean of the public pictures: a recovery of nobody."""
        return self.session.pictures.mean("public", self.protocol.resolution)

    @cached_property
    def judges(self) -> list[Judge]:
        """The attacked recogniser and the independent ones; nobody where no person was recovered."""
        return judges_of(self.session, self.cell, self.recovery)

    def similarity(self, judge: Judge, split: str) -> np.ndarray:
        """(L, N) cosine of each recovery with each photograph of a split."""
        where = (judge.name, split)
        if where not in self._similar:
            part = self.outcome.leaked[split]
            self._similar[where] = judge.similarity(self.outcome.recoveries[split], part.faces.name)
        return self._similar[where]

    def enrolled(self, defense: Defense, split: str) -> Enrolled:
        """A split on both sides of the comparison, under the installation's first key."""
        where = (id(defense), split)
        if where not in self._enrolled:
            self._enrolled[where] = enrolled(self.session, self.alias, defense, split, self.cell.seed)
        return self._enrolled[where]

    def impostors(self, defense: Defense, split: str) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Scores (n,) of pairs of two persons of a split under ``defense``, and the labels (n,) of the two."""
        both = self.enrolled(defense, split)
        first, second = impostor_pairs(both.faces, self.cell.seed)
        labels = both.faces.labels.numpy()
        return compare_pairs(defense, both, first, second), (labels[first], labels[second])

    @cached_property
    def shown(self) -> Published:
        """What the defence publishes of one photograph each of the first victims."""
        return shown_of(self.session, self.cell, self.system)


def costs_of(case: Case) -> Row:
    """What all priced rows of a cell carry. A protected pair is one made through the defence, so an oblivious adversary
    has none."""
    outcome, threat = case.outcome, case.cell.threat
    assert threat is not None
    return {
        "n_queries": outcome.n_queries,
        "n_aux": outcome.n_pairs,
        "n_protected_pairs": outcome.n_pairs if threat.defense is not DefenseKnowledge.K0 else 0,
        "train_s": outcome.train_s,
        "invert_s": outcome.invert_s / max(1, len(case.leaked.index)),
        "params": outcome.params,
    }
