"""One attack on one system: fit it on public faces, hand it the victims' leaks, keep what it recovered and what it
cost."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..attacks.base import Attack
from ..defenses.base import Defense
from .core.code import code_of
from .core.context import AttackContext, Weights
from .core.recovery import Recovery
from .core.secrets import SecretSource
from .core.seeding import Rng
from .core.surfaces import Surface
from .core.target import Target
from .leaked import LeakedSet, leaked_set, other_images
from .plan import Cell, make_attack, make_defense
from .published import published
from .recipe import Recipe
from .session import Session
from .track import DefenseSpec
from .views import recover_views


@dataclass
class Outcome:
    """What one attack did in one cell."""

    recoveries: dict[str, Recovery]  # by split
    leaked: dict[str, LeakedSet]
    losses: list[float] = field(default_factory=list)
    still_falling: float = 0.0
    kept: float = 1.0  # share of what was learnt that did held-out people no harm
    train_s: float = 0.0
    invert_s: float = 0.0
    n_queries: int = 0
    queries_per_victim: int = 0
    n_pairs: int = 0
    params: int = 0
    peak_memory_mb: float = 0.0
    # Of an ensemble, by member: (L,) whether its picture was taken, or the status that kept it out.
    chosen: dict[str, Tensor | str] = field(default_factory=dict)


def run_attack(session: Session, cell: Cell) -> Outcome:
    """Fit (or load an equal fit), recover, count.

    Raises:
        NotApplicable: the attack cannot take this leak.
        ThreatModelError: it asks for what is not granted.
    """
    assert cell.attack is not None
    assert cell.surface is not None
    attack = make_attack(cell.attack)
    alias = cell.target.recognizer
    system = session.defense(cell.defense, alias, cell.seed)
    installation = SecretSource.installation(cell.seed)
    leaked = {"victims": leaked_set(session, system, cell, "victims", installation)}
    # What reads attributes alone is ranked by no board, so nobody selects by it.
    selects = bool(attack.recovers - {"attributes"}) and not attack.threat.victims
    if session.track.protocol.selection_victims and selects:
        leaked["calibration"] = leaked_set(session, system, cell, "calibration", installation)
    context = attack_context(session, cell, system, installation, leaked["victims"])
    outcome = Outcome({}, leaked)
    # Before minutes go into a fit that cannot be used.
    attack.check_shape(context.target.cut(leaked["victims"].leak), context)
    _fit(session, cell, attack, context, outcome)
    start = time.perf_counter()
    for split, part in leaked.items():
        context.target.enrol(part.leak if cell.surface is Surface.TEMPLATE else None)
        outcome.recoveries[split] = recover_views(attack, part, context, cell.attack)
        outcome.queries_per_victim = max(outcome.queries_per_victim, context.target.queries_per_victim)
    outcome.invert_s = time.perf_counter() - start
    outcome.params = sum(p.numel() for p in attack.parameters())
    outcome.n_queries += context.target.n_queries
    outcome.n_pairs = max(outcome.n_pairs, context.target.n_pairs)
    outcome.peak_memory_mb = _peak_memory(session.device)
    return outcome


def attack_context(
    session: Session, cell: Cell, system: Defense, installation: SecretSource, victims: LeakedSet
) -> AttackContext:
    """Exactly what the cell's threat model grants."""
    assert cell.threat is not None
    assert cell.surface is not None
    alias, public = cell.target.recognizer, session.faces("public")
    target = Target(
        system,
        session.undefended(alias),
        cell.surface,
        cell.threat,
        installation,
        cell.seed,
        public,
        session.pipeline_embeddings(alias),
        published=lambda faces, index, source: published(session, system, alias, faces, index, source),
    )
    photographs = None
    if cell.threat.victims:
        faces = victims.faces
        others = other_images(faces, victims.index)
        photographs = {"same": faces.images(victims.index), "other": faces.images(others)}
    surrogate = session.recognizer(cell.target.surrogate) if cell.target.surrogate else None

    def keep(name: str, depends: Mapping[str, Any], make: Callable[[], Weights]) -> Weights:
        of = {
            "name": name,
            "recognizer": session.recognizer_recipe(alias),
            "surrogate": session.recognizer_recipe(cell.target.surrogate),
            "public": public.sha,
            "seed": cell.seed,
            "resolution": session.track.protocol.resolution,
            "depends": depends,
        }
        return session.store.tensors(Recipe("shared", of, code_of(make.__module__)), make)

    return AttackContext(
        target=target,
        public=public,
        # Not the threat model's name: an equal fit under another name must be the same fit.
        rng=Rng(cell.seed, "attack", cell.attack.fit_title if cell.attack else ""),
        device=session.device,
        progress=session.progress,
        resolution=session.track.protocol.resolution,
        surrogate=surrogate,
        surrogate_embeddings=(lambda: session.embeddings(cell.target.surrogate, "public")) if surrogate else None,
        photographs=photographs,
        keep=keep,
    )


def _fit(session: Session, cell: Cell, attack: Attack, context: AttackContext, outcome: Outcome) -> None:
    """Trained attacks are fitted once for all cells whose fit would be the same, and kept."""
    if not attack.trained:
        start = time.perf_counter()
        attack.fit(context)
        outcome.train_s = time.perf_counter() - start
        return

    def build(folder: Path) -> None:
        session.progress.say(f"Fitting {cell}")
        start = time.perf_counter()
        attack.fit(context)
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in attack.state_dict().items()}
        save_file(state, folder / "attack.safetensors")
        log = attack.log
        meta = {
            "train_s": time.perf_counter() - start,
            "n_queries": context.target.n_queries,
            "n_pairs": context.target.n_pairs,
            "losses": log.losses if log else [],
            "still_falling": log.still_falling if log else 0.0,
            "kept": log.kept if log else 1.0,
        }
        (folder / "fit.json").write_text(json.dumps(meta), encoding="utf-8")

    folder = session.store.make(fit_recipe(session, cell, attack), build)
    meta = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    outcome.train_s, outcome.losses, outcome.still_falling = meta["train_s"], meta["losses"], meta["still_falling"]
    outcome.kept = meta["kept"]
    # The fit is always used as it reads back from disk, so that a resumed run computes with the same bytes; and with a
    # fresh meter, because what the fit cost was written down when it was made.
    attack.fit(context, load_file(folder / "attack.safetensors"))
    context.target.forget_counts()
    outcome.n_queries, outcome.n_pairs = meta["n_queries"], meta["n_pairs"]


def fit_recipe(session: Session, cell: Cell, attack: Attack) -> Recipe:
    """What a fit is made from. Oracle (K1) and full disclosure (K3) train on the same pairs, unless an attack reads the
    secrets themselves (``uses_secrets``)."""
    assert cell.threat is not None
    assert cell.surface is not None
    alias, knowledge = cell.target.recognizer, cell.threat.defense.value
    if knowledge == "K3" and not attack.uses_secrets:
        knowledge = "K1"
    system = DefenseSpec(name="none") if knowledge == "K0" else cell.defense
    of = {
        "attack": attack.describe(),
        "title": cell.attack.fit_title if cell.attack else "",
        "system": session.systems.recipe(make_defense(system), alias, cell.seed),
        "surrogate": session.recognizer_recipe(cell.target.surrogate),
        "surface": cell.surface.value,
        "threat": str(replace(cell.threat, defense=type(cell.threat.defense)(knowledge), views=1)),
        "public": session.faces("public").sha,
        "attributes": attributes_sha(session, cell, "public"),
        "resolution": session.track.protocol.resolution,
        "seed": cell.seed,
    }
    return Recipe("attack", of, code_of(__name__))


def attributes_sha(session: Session, cell: Cell, split: str) -> str | None:
    """Hash of a split's labels where the cell's attack reads attributes; no other result depends on them.

    Raises:
        DataError: the label file cannot be read or misses pictures: before anything is run, not after.
    """
    if cell.attack is None or "attributes" not in make_attack(cell.attack).recovers:
        return None
    known = session.faces(split).attributes
    return known.sha if known else None


def _peak_memory(device: torch.device) -> float:
    """Most memory held so far, MB: of the device on CUDA, of the process elsewhere; NaN where none can be asked."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    most: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 1024)
