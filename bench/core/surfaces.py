"""Where a leak happens, what a defence keeps secret, and what it is for (design, sections 1 and 3)."""

from __future__ import annotations

from enum import Enum


class Surface(str, Enum):
    """Where the adversary taps the defended path."""

    IMAGE = "image"  # published, (N, 3, H, W)
    WIRE = "wire"  # what the client sends to the server, (N, C, h, w) or a dict of tensors
    TEMPLATE = "template"  # what the database stores, usually (N, D)


class Secret(str, Enum):
    """What a defence hides from the adversary."""

    DEPLOYMENT = "deployment"  # seeded, fixed per installation: a partition, a projection
    SAMPLE = "sample"  # drawn per call: a shuffle, a mask, noise


class Goal(str, Enum):
    """What a defence is for; boards group by it, because it decides what utility means."""

    BLOCK_INVERSION = "block-inversion"
    CLOAK = "cloak"
    ANONYMIZE = "anonymize"
    HIDE = "hide"
    LOCK = "lock"
    DISRUPT_EDITS = "disrupt-edits"
    RELEASE_DATASET = "release-dataset"


class Role(str, Enum):
    """What an attack's numbers stand for; declared by its class and told in ``run.json``."""

    ATTACK = "attack"
    FLOOR = "floor"  # what anybody gets without an attack; one that stays below it is broken or defeated
    CEILING = "ceiling"  # the victim's own photographs, scored like recoveries


class Fidelity(str, Enum):
    """How close a file stands to its paper; on every row."""

    FAITHFUL = "faithful"
    SIMPLIFIED = "simplified"
    BASELINE = "baseline"  # no paper behind it: a floor, a ceiling, a textbook method
