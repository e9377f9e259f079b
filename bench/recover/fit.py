"""Fitting an attack on public faces, once for all cells whose fit would be the same."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file, save_file

from ...attacks.base import Attack
from ..core.code import code_of
from ..core.context import Weights
from ..core.unfinished import Meter, metered, spent_before
from ..isolation.attacker import Attacker
from ..isolation.desk import Desk
from ..plan.cells import Cell, make_attack, make_defense
from ..plan.track import DefenseSpec
from ..prepare.session import Session
from ..store.recipe import Recipe
from . import granted
from .outcome import Outcome


def fit(
    session: Session, cell: Cell, attack: Attack, attacker: Attacker, desk: Desk, outcome: Outcome
) -> Weights | None:
    """Trained attacks are fitted once for all cells whose fit would be the same, and kept; returns what was kept."""
    context = desk.fitting
    if not attack.trained:
        start = time.perf_counter()
        attacker.fit()
        outcome.train_s = time.perf_counter() - start
        return None

    def build(folder: Path) -> None:
        session.progress.say(f"Fitting {cell}")
        start = time.perf_counter()
        with metered(Meter(context.target.meter, context.target.set_meter)):
            fitted = attacker.fit()
        save_file({name: tensor.contiguous() for name, tensor in fitted.state.items()}, folder / "attack.safetensors")
        meta = {
            "train_s": time.perf_counter() - start + spent_before(),
            "n_queries": context.target.n_queries,
            "n_pairs": context.target.n_pairs,
            "losses": fitted.losses,
            "still_falling": fitted.still_falling,
            "kept": fitted.kept,
        }
        (folder / "fit.json").write_text(json.dumps(meta), encoding="utf-8")

    folder = session.store.make(fit_recipe(session, cell, attack), build)
    meta = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    outcome.train_s, outcome.losses, outcome.still_falling = meta["train_s"], meta["losses"], meta["still_falling"]
    outcome.kept = meta["kept"]
    # The fit is always used as it reads back from disk, so that a resumed run computes with the same bytes; and with a
    # fresh meter, because what the fit cost was written down when it was made.
    state = load_file(folder / "attack.safetensors")
    attacker.load(state)
    context.target.forget_counts()
    outcome.n_queries, outcome.n_pairs = meta["n_queries"], meta["n_pairs"]
    return state


def fit_recipe(session: Session, cell: Cell, attack: Attack) -> Recipe:
    """What a fit is made from. Oracle (K1) and full disclosure (K3) train on the same pairs, unless an attack reads the
    secrets themselves (``uses_secrets``)."""
    assert cell.threat is not None
    assert cell.surface is not None
    alias, knowledge = cell.target.recognizer, cell.threat.defense.value
    if knowledge == "K3" and not attack.uses_secrets and not make_defense(cell.defense).person_keyed:
        knowledge = "K1"
    system = DefenseSpec(name="none") if knowledge == "K0" else cell.defense
    of = {
        "attack": attack.describe(),
        "title": cell.attack.fit_title if cell.attack else "",
        "system": session.systems.recipe(make_defense(system), alias, cell.seed),
        "secrets": None if knowledge == "K0" else session.secrets_of(make_defense(cell.defense)),
        "surrogate": session.recognizer_recipe(cell.target.surrogate),
        "surface": cell.surface.value,
        "threat": str(replace(cell.threat, defense=type(cell.threat.defense)(knowledge), views=1)),
        "public": session.faces("public").sha,
        "attributes": attributes_sha(session, cell, "public"),
        "resolution": session.track.protocol.resolution,
        "seed": cell.seed,
    }
    return Recipe("attack", of, code_of(__name__, granted.__name__))


def attributes_sha(session: Session, cell: Cell, split: str) -> str | None:
    """Hash of a split's labels where the cell's attack reads attributes; no other result depends on them.

    Raises:
        DataError: the label file cannot be read or misses pictures: before anything is run, not after.
    """
    if cell.attack is None or "attributes" not in make_attack(cell.attack).recovers:
        return None
    known = session.faces(split).attributes
    return known.sha if known else None
