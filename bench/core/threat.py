"""The threat model: four independent axes that stand on every row (design, section 1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class RecognizerAccess(str, Enum):
    """What the adversary has of the attacked recogniser, weakest first."""

    NONE = "none"
    SURROGATE = "surrogate"
    SCORES = "scores"
    BLACK_BOX = "black-box"
    WHITE_BOX = "white-box"

    @property
    def rank(self) -> int:
        """0 for none ... 4 for white box."""
        return list(RecognizerAccess).index(self)


class DefenseKnowledge(str, Enum):
    """What the adversary knows of the defence."""

    K0 = "K0"  # oblivious: trained on undefended leaks
    K1 = "K1"  # oracle: runs the defended pipeline on own images, secrets fresh as deployed
    K2 = "K2"  # algorithm known, own secrets
    K3 = "K3"  # full disclosure: the victim's secrets too

    @property
    def meaning(self) -> str:
        """One word for tables."""
        return {"K0": "oblivious", "K1": "adaptive", "K2": "own secrets", "K3": "full disclosure"}[self.value]


@dataclass(frozen=True)
class ThreatModel:
    """What one attack may use.

    Args:
        recognizer: access to the attacked recogniser.
        defense: knowledge of the defence.
        pairs: how many (image, leak) pairs the adversary may make or hold; None is unlimited.
        queries: how many embeddings or scores it may ask for per victim; None is unlimited.
        part: how much of each leaked vector it holds (0, 1]; the same coordinates of every template.
        views: how many leaks of each victim it holds.
        data: the adversary's images: ``same`` or ``shifted`` distribution.
        victims: a ceiling row: the victims' own photographs are handed over. Never true for an attack.
    """

    recognizer: RecognizerAccess = RecognizerAccess.NONE
    defense: DefenseKnowledge = DefenseKnowledge.K0
    pairs: int | None = None
    queries: int | None = None
    part: float = 1.0
    views: int = 1
    data: str = "same"
    victims: bool = False

    def with_defense(self, knowledge: DefenseKnowledge) -> ThreatModel:
        """The same model with other knowledge of the defence."""
        return replace(self, defense=knowledge)

    def grants(self, needed: RecognizerAccess) -> bool:
        """Whether access ``needed`` is part of what is granted (white box includes black box includes scores)."""
        return self.recognizer.rank >= needed.rank
