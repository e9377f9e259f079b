"""A recogniser behind a defence, and what leaks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ...defenses.base import Defense
from ..core.context import FitContext
from ..core.errors import DataError, InputError
from ..core.faces import FaceSet
from ..core.leaks import Leak, leak_cat
from ..core.progress import Progress
from ..core.secrets import SecretSource
from ..core.seeding import Rng
from ..core.surfaces import Surface
from ..leak.leaked import LeakedSet, first_images
from ..plan.cells import make_defense
from ..plan.track import DefenseSpec
from ..recognizers.base import Recognizer

_BATCH = 256


@dataclass(frozen=True)
class System:
    """What is deployed: a fitted defence, its recogniser, and secrets drawn for this installation.

    Args:
        recognizer: what the system recognises with.
        defense: fitted on it.
        undefended: the same recogniser without a defence.
        seed: of the secrets.
    """

    recognizer: Recognizer
    defense: Defense
    undefended: Defense
    seed: int

    @property
    def installation(self) -> SecretSource:
        """The deployed secrets."""
        return SecretSource.installation(self.seed)

    @torch.no_grad()
    def leak(
        self, faces: FaceSet, surface: Surface | str | None = None, *, per_person: int = 1, draws: int = 1
    ) -> Leaked:
        """What an adversary holds of the people in ``faces``.

        The first ``per_person`` pictures of everybody with at least one more leak; the others say later whether a
        recovery passes as the *person*.

        Args:
            faces: the victims.
            surface: ``image`` (published), ``wire`` (sent) or ``template`` (stored); where the defence acts if None.
            per_person: pictures of each that leak.
            draws: presentations of each picture, with fresh sample secrets; a run takes 5 where the leak is random.

        Raises:
            DataError: nobody has two pictures.
            InputError: no such surface.
        """
        place = _surface(surface if surface is not None else self.defense.protects)
        index = first_images(faces, per_person, faces.n_identities)
        if not len(index):
            raise DataError(f"{faces.name}: nobody has two pictures, one that leaks and one to compare with; add some.")
        draws = draws if self.defense.randomised(place) and not self.defense.slow else 1
        presentation = torch.arange(draws).repeat_interleave(len(index))
        index = index.repeat(draws)
        parts = []
        for where in torch.arange(len(index)).split(_BATCH):
            shown = index[where]
            draw = self.installation.draw(faces.ids[shown], presentation[where])
            parts.append(self.defense.leak(faces.images(shown).to(self.recognizer.device), place, draw))
        return Leaked(self, place, LeakedSet(faces, index, presentation, leak_cat(parts)))


@dataclass(frozen=True)
class Leaked:
    """What leaked, and of whom.

    Args:
        system: that leaked.
        surface: where.
        part: whose pictures, in which presentations, and the leak.
    """

    system: System
    surface: Surface
    part: LeakedSet

    @property
    def leak(self) -> Leak:
        """(L, ...) what the adversary holds; a tensor or a dict of tensors."""
        return self.part.leak

    @property
    def faces(self) -> FaceSet:
        """The victims."""
        return self.part.faces

    def __len__(self) -> int:
        return len(self.part.index)


def protect(
    recognizer: Recognizer,
    defense: str | type[Defense] | tuple[str, str] = "none",
    *,
    settings: Mapping[str, Any] | None = None,
    train: FaceSet | None = None,
    surrogates: Sequence[nn.Module] = (),
    resolution: int = 64,
    seed: int = 0,
) -> System:
    """Put a recogniser behind a defence.

    Args:
        recognizer: see ``faceleak.recognizer``.
        defense: a registered name (``faceleak list defenses``), two of them to chain, or a class.
        settings: of the defence; of each by its name where two are chained.
        train: people the defence learns from, where it learns.
        surrogates: recognisers that whoever protects published pictures has at hand.
        resolution: side in pixels at which shared networks work.
        seed: of the secrets and of the training.

    Raises:
        InputError: settings do not fit, or the defence needs people to learn from.
        RegistryError: no such defence.
    """
    values = dict(settings or {})
    if isinstance(defense, type):
        made = defense(values)
    else:
        made = make_defense(DefenseSpec(name=defense, settings=values))
    context = FitContext(
        recognizer, train, Rng(seed, "defense"), recognizer.device, Progress(), tuple(surrogates), resolution
    )
    plain = make_defense(DefenseSpec(name="none")).fit(context)
    return System(recognizer, made.fit(context), plain, seed)


def _surface(surface: Surface | str) -> Surface:
    try:
        return Surface(surface)
    except ValueError as error:
        known = ", ".join(one.value for one in Surface)
        raise InputError(f"No surface is called {surface!r}; known: {known}.") from error
