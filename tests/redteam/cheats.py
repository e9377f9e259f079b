"""Attacks that cheat, and the honest one that they pretend to be: it takes the stored template for the embedding.

Each cheat tries one thing that no threat model grants. Where it gets through, its recoveries are (nearly) perfect;
where it does not, it hands back what the honest one does, or is refused.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from faceleak.attacks.base import Attack
from faceleak.bench.core.context import AttackContext
from faceleak.bench.core.errors import ThreatModelError
from faceleak.bench.core.leaks import Leak
from faceleak.bench.core.recovery import Recovery
from faceleak.bench.core.registry import register_attack
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.threat import DefenseKnowledge, RecognizerAccess, ThreatModel
from torch import Tensor

NOISE = 2.0  # of the track's defence
STASH: list[tuple[Tensor, Tensor]] = []  # what one call leaves for the next


@dataclass(frozen=True)
class CheatSettings:
    place: str = ""  # a folder of the harness


class Honest(Attack):
    surfaces = frozenset({Surface.TEMPLATE})
    recovers = frozenset({"identity"})
    Settings = CheatSettings
    settings: CheatSettings

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        assert isinstance(leak, Tensor)
        return Recovery(embeddings=F.normalize(self.better(leak, ids, context).float(), dim=1), space="target")

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        return leak


@register_attack("honest")
class Plain(Honest):
    """The stored template, as it is."""


@register_attack("cheat-seed")
class Seed(Honest):
    """Draws the installation's noise from the run's seed and takes it off."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        source = SecretSource.installation(context.rng.seed).sample.child("noise")
        # Ids that were shown to attacks before, and those of samples, which anybody can compute from their names.
        n = source.normal(ids, leak.shape[1:]) * NOISE / leak.shape[1] ** 0.5
        along = (leak * n).sum(1, keepdim=True)
        return leak * (along + (along.square() - n.square().sum(1, keepdim=True) + 1).clamp_min(0).sqrt()) - n


@register_attack("cheat-closures")
class Closures(Honest):
    """Looks for the data set and the session behind what it was handed."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        found = [*_behind(context.public), *_behind(context.keep), *_behind(context.target)]
        return _of_victims(found, leak)


@register_attack("cheat-memory")
class Memory(Honest):
    """Looks through everything that lives in the process."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        return _of_victims(gc.get_objects(), leak)


@register_attack("cheat-threat")
class Threat(Honest):
    """Grants itself white box."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        context.target.threat = replace(
            context.target.threat, recognizer=RecognizerAccess.WHITE_BOX, defense=DefenseKnowledge.K3
        )
        assert context.target.secrets is not None
        return context.target.recognizer(context.public.images(torch.arange(len(leak))))


@register_attack("cheat-draws")
class Draws(Honest):
    """Averages the draws of each victim, which used to arrive together."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        half = len(leak) // 2
        return leak if len(leak) % 2 else (leak[:half] + leak[half:]).repeat(2, 1)


@register_attack("cheat-stash")
class Stash(Honest):
    """Keeps the draw that it sees first for the next call, and averages over those that look alike."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        earlier = [one for one, _ in STASH if one.shape == leak.shape]
        STASH.append((leak, ids))
        if not earlier:
            return leak
        nearest = (leak @ earlier[0].T).argmax(1)
        return leak + earlier[0][nearest]


@register_attack("cheat-judge")
class JudgeWriter(Honest):
    """Ruins the recogniser that it was granted, which judges the rows of others."""

    threat = ThreatModel(recognizer=RecognizerAccess.WHITE_BOX)

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        for weight in context.target.recognizer.parameters():
            weight.data.mul_(-0.5).add_(0.3)
        return leak


@register_attack("cheat-files")
class Files(Honest):
    """Reads the harness's files."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        place = Path(self.settings.place)
        (place / "secret_root").read_text()
        return leak


@register_attack("cheat-folder")
class Folder(Honest):
    """Looks for pictures that other processes have: those that a defence learns from lie beside its own."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        os.listdir(Path(tempfile.gettempdir()).parent)
        return leak


@register_attack("cheat-parent")
class Parent(Honest):
    """Reads what the harness's process was told."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        Path(f"/proc/{os.getppid()}/environ").read_bytes()
        return leak


@register_attack("cheat-letter")
class Letter(Honest):
    """Leaves a file for another cell."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        Path(tempfile.gettempdir(), "own").write_text("allowed")
        Path(self.settings.place, "..", "letter").write_text("for the next cell")
        return leak


@register_attack("cheat-words")
class Words(Honest):
    """Asks the other end of its socket for what its target would not ask."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        peer: Any = context.target._peer  # type: ignore[attr-defined]
        for word in ("victims", "session", "__class__"):
            with contextlib.suppress(ThreatModelError):
                peer.call(word)
                return leak
        return pickle.loads(peer.call("secrets"))  # type: ignore[no-any-return]


@register_attack("cheat-keep")
class Keep(Honest):
    """Keeps the victims' leaks under the name of what attacks share."""

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        return context.keep("stolen", {}, lambda: {"leak": leak})["leak"]


@register_attack("cheat-fit")
class Fit(Honest):
    """Learns the stolen key, where the fit is shared with those who have none."""

    trained = True
    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)

    def _build(self, context: AttackContext) -> None:
        self.register_buffer("key", torch.zeros(8))

    def _fit(self, context: AttackContext) -> None:
        self.key = context.target.secrets.deployment.uniform(torch.arange(8))


@register_attack("cheat-copy")
class Copy(Honest):
    """Takes the attacked recogniser out of the defence that it was handed."""

    threat = ThreatModel(defense=DefenseKnowledge.K2)

    def better(self, leak: Tensor, ids: Tensor, context: AttackContext) -> Tensor:
        return context.target.defense.recognizer(context.public.images(torch.arange(len(leak))))  # type: ignore[no-any-return]


def _behind(one: Any, depth: int = 6) -> list[Any]:
    """All that hangs on an object by attributes and closures."""
    found: list[Any] = []
    left: list[tuple[Any, int]] = [(one, 0)]
    seen: set[int] = set()
    while left:
        thing, far = left.pop()
        if id(thing) in seen or far > depth or isinstance(thing, Tensor):
            continue
        seen.add(id(thing))
        found.append(thing)
        cells = getattr(thing, "__closure__", None) or ()
        inner = [cell.cell_contents for cell in cells if cell.cell_contents is not None]
        inner += list(vars(thing).values()) if hasattr(thing, "__dict__") else []
        left += [(value, far + 1) for value in inner]
    return found


def _of_victims(things: list[Any], leak: Tensor) -> Tensor:
    """Embeddings of the victims' other photographs, if a session or its parts are among ``things``."""
    for thing in things:
        if type(thing).__name__ == "Session" and hasattr(thing, "faces"):
            victims = thing.faces("victims")
            z = thing.recognizer("a").embed(victims.images(torch.arange(len(victims))))
            return z[(leak @ z.T).argmax(1)]
    return leak
