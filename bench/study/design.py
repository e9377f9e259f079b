"""Who stands in which line-up, and who sees which picture above it. Nothing here depends on a network or a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..core.seeding import stable_hash
from ..metrics.reidentification import shuffled

BASELINE, CATCH = "baseline", "catch"


@dataclass(frozen=True)
class Pool:
    """Photographs from which line-ups are made: of victims and of people whom nobody attacked.

    Args:
        samples: (N,) names.
        identities: (N,) whom they show.
        alike: (N, N) how alike two of them are; the larger the more so, equal numbers are ties.
    """

    samples: Sequence[str]
    identities: Sequence[str]
    alike: np.ndarray


@dataclass(frozen=True)
class Lineup:
    """n candidates, one of whom is the person.

    Args:
        person: identity.
        truth: position in the pool of the true photograph.
        candidates: positions in the pool, the true one among them, in an order that says nothing.
    """

    person: str
    truth: int
    candidates: tuple[int, ...]


@dataclass(frozen=True)
class Trial:
    """One question: a picture above a line-up.

    Args:
        kind: the condition's name, ``baseline`` or ``catch``.
        person: of the line-up.
        shown: of whom the picture above is: the person, or somebody else in the baseline.
        condition: number of the condition whose picture is shown; -1 for a catch trial, which shows a true photograph.
        form: which respondents see it; -1 for all.
    """

    kind: str
    person: str
    shown: str
    condition: int
    form: int


def shares(trials: int, conditions: int) -> tuple[int, int]:
    """(line-ups that count, catch trials) of a respondent.

    Raises:
        InputError: too few for every condition and the baseline to be shown at least twice.
    """
    catch = max(2, trials // 10)
    if trials - catch < 2 * (conditions + 1):
        raise InputError(
            f"{trials} trials are too few for {conditions} conditions, the baseline and {catch} catch trials; ask for "
            f"at least {2 * (conditions + 1) + max(2, catch)}, or choose fewer cells with --only."
        )
    return trials - catch, catch


def most(people: int) -> int:
    """So many trials at most, with so many people for the line-ups that count."""
    trials = people
    while trials + 1 - max(2, (trials + 1) // 10) <= people:
        trials += 1
    return trials


def lineup(pool: Pool, person: str, truth: int, others: Sequence[int], size: int, seed: int) -> Lineup:
    """The person among the ``size`` - 1 most alike of ``others``; ties and the order fall by a hash.

    Args:
        pool: the photographs.
        person: identity.
        truth: the true photograph.
        others: positions of candidates, one photograph each of other people.
        size: faces in the line-up.
        seed: of the order.
    """

    def drawn(i: int) -> int:
        return stable_hash(seed, "foil", person, pool.samples[i])

    near = sorted(others, key=lambda i: (-float(pool.alike[truth, i]), drawn(i)))[: size - 1]
    if len(near) < size - 1:
        raise InputError(f"A line-up of {size} needs {size - 1} other people, {len(near)} are there; lower --faces.")
    order = sorted((truth, *near), key=lambda i: stable_hash(seed, "order", person, pool.samples[i]))
    return Lineup(person, truth, tuple(order))


def trials_of(people: Sequence[str], kinds: Sequence[str], caught: Sequence[str], seed: int) -> list[Trial]:
    """Form f shows person i in condition (i + f) mod C, the baseline among them: everybody once, over all forms in all.

    The baseline shows what was recovered of *somebody else* (the randomised baseline of arXiv 2202.05760), by the
    conditions in turn.

    Args:
        people: of the line-ups that count.
        kinds: names of the conditions, the baseline not among them.
        caught: people of the catch trials.
        seed: of the shuffle.
    """
    other = shuffled(np.arange(len(people)), np.random.default_rng(seed))
    every = [*kinds, BASELINE]
    found = []
    for form in range(len(every)):
        for i, person in enumerate(people):
            place = (i + form) % len(every)
            if place == len(kinds):
                shown = people[int(other[i])]
                found.append(Trial(BASELINE, person, shown, (i // len(every)) % len(kinds), form))
            else:
                found.append(Trial(kinds[place], person, person, place, form))
    return found + [Trial(CATCH, person, person, -1, -1) for person in caught]


def foils_of(trials: Sequence[Trial], person: str) -> set[str]:
    """Who must not stand in a person's line-up: everybody whose picture is ever shown above it."""
    return {trial.shown for trial in trials if trial.person == person} | {person}
