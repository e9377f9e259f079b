"""``faceleak new``: a plug-in file to begin with, which passes its contract tests as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from ..core.errors import InputError
from ..core.registry import ATTACKS, DEFENSES

_ATTACK = '''"""@NAME@: one sentence on what it does.

Citation. Loss with equation numbers. Differs from the paper: say how. Fidelity: faithful, simplified or baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from faceleak import Attack, AttackContext, Leak, RecognizerAccess, Recovery, Surface, ThreatModel, register_attack
from torch import Tensor


@dataclass(frozen=True)
class @CLASS@Settings:
    """What a track may set; an unknown key or a wrong type stops the run."""

    neighbours: int = 10  # public faces that are averaged


@register_attack("@NAME@")
class @CLASS@(Attack):
    """Mean of the nearest public faces; replace it by your attack."""

    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)  # the least it needs; more is refused
    surfaces = frozenset({Surface.TEMPLATE})  # the leaks it reads
    uses_pairs = True  # it is run oblivious (K0) and adaptive (K1); with `trained = True` its fit is kept, too
    Settings = @CLASS@Settings
    settings: @CLASS@Settings

    def _fit(self, context: AttackContext) -> None:
        self._need(plane=False)
        self.keys = self.inputs(context.target.all_pairs())  # (n, D) standardised leaks of public faces

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        near = (self.inputs(leak) @ self.keys.T).topk(min(self.settings.neighbours, len(self.keys))).indices
        faces = [context.public.resized(row.cpu(), context.resolution).mean(0) for row in near]
        return Recovery(images=torch.stack(faces))  # (B, 3, s, s) in [0, 1]
'''

_DEFENSE = '''"""@NAME@: one sentence on what it does.

Citation. Formula with equation numbers. Differs from the paper: say how. Fidelity: faithful, simplified or baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from faceleak import Defense, FitContext, InputError, Secret, SecretDraw, Surface, register_defense
from torch import Tensor


@dataclass(frozen=True)
class @CLASS@Settings:
    """What a track may set; an unknown key or a wrong type stops the run."""

    share: float = 0.25  # of the coordinates that are flipped


@register_defense("@NAME@")
class @CLASS@(Defense):
    """A secret quarter of the coordinates changes its sign; replace it by your defence."""

    protects = Surface.TEMPLATE  # override the stage where it acts: publish, transmit, embed, enroll, probe, compare
    secrets = frozenset({Secret.DEPLOYMENT})  # one key per installation; SAMPLE: fresh for every picture
    claims = "The stored template tells nobody without the key who it is."
    Settings = @CLASS@Settings
    settings: @CLASS@Settings

    def _build(self, context: FitContext) -> None:
        if not 0 < self.settings.share < 1:
            raise InputError(f"@NAME@: share must lie in (0, 1), got {self.settings.share}.")

    def enroll(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """(N, D) -> (N, D), deterministic given the secret and each sample on its own."""
        once = torch.zeros(1, dtype=torch.int64)
        u = secret.deployment.child("@NAME@").uniform(once, (embeddings.shape[1],)).to(embeddings.device)  # (1, D)
        return torch.where(u < self.settings.share, -embeddings, embeddings)

    def probe(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """As ``enroll``: the same key."""
        return self.enroll(embeddings, secret)
'''

KINDS = {"attack": (_ATTACK, ATTACKS), "defense": (_DEFENSE, DEFENSES)}


def scaffold(kind: str, name: str, folder: Path) -> Path:
    """Write ``folder``/name.py and return it.

    Args:
        kind: ``attack`` or ``defense``.
        name: what tracks will call it: lower-case words joined by dashes.
        folder: where the file goes.

    Raises:
        InputError: the name does not fit, is taken, or the file exists.
    """
    text, registry = KINDS[kind]
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise InputError(f"{name!r} is no plug-in name; use lower-case words joined by dashes, such as my-{kind}.")
    if name in registry.names():
        raise InputError(f"{kind} {name!r} exists already; choose another name (`faceleak list {kind}s`).")
    file = folder / f"{name.replace('-', '_')}.py"
    if file.exists():
        raise InputError(f"{file} exists already and was left alone; choose another name or another --out.")
    folder.mkdir(parents=True, exist_ok=True)
    words = "".join(part.capitalize() for part in name.split("-"))
    file.write_text(text.replace("@NAME@", name).replace("@CLASS@", words), encoding="utf-8")
    return file
