"""What a released data set is good for: a recogniser trained on the released pictures, tested on real faces.

Its users never meet the deployed system, so how well that system verifies says little about them. Here a recogniser
learns from the released pictures of the train identities, and its double, with the same first weights, order and
augmentation, from the originals; both then verify real pictures of the victims, whom neither has seen. The floor is the
network before it has learnt anything: on easy faces that is a good deal above one half.

What the release gives away is no row of this file. The floor `as-is` on the image surface searches each released
picture in a gallery of real ones (rank 1, 5 and 20 under every judge, with chance; it holds another photograph of the
person, as everywhere in the suite), and compares it with its very original (SAR Type-I).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from ...defenses.base import Defense
from ..core.code import code_of
from ..core.faces import FaceSet
from ..core.registry import RECOGNIZERS, register_measurement
from ..core.seeding import Rng
from ..core.surfaces import Goal, Surface
from ..metrics.pairs import make_pairs
from ..metrics.verification import tenfold_accuracy
from ..plan.cells import Cell
from ..prepare.session import Session
from ..recognizers.base import Recognizer
from ..record.metrics import Metric
from ..record.results import Row
from .base import Kept, Measurement
from .case import Case
from .rows import Rules, absent, folded, row_of

RELEASED = "train"  # the split that is released
# What is trained where the attacked recogniser brings its own weights: type and settings.
FALLBACK: tuple[str, dict[str, Any]] = ("small-resnet", {})
_BATCH = 256


@register_measurement("release")
class Release(Measurement):
    """Ten-fold accuracy on real faces of a recogniser trained on the release and of its double, difference, floor."""

    metrics: ClassVar = (
        Metric("release_accuracy", "fraction", "higher", "Of a recognizer trained on the release, on real pictures."),
        Metric("release_accuracy_original", "fraction", "higher", "Of its double, trained on the originals."),
        Metric("release_accuracy_difference", "fraction", "higher", "Of the two, fold by fold."),
        Metric("release_accuracy_untrained", "fraction", "higher", "The floor: the network with its first weights."),
    )
    looks_at: ClassVar[Literal["recovery", "system"]] = "system"

    def skip(self, case: Case) -> str:
        if case.protocol.measures != "verification":
            return "Pictures are published, not a data set."
        return "" if case.system.goal is Goal.RELEASE_DATASET else "No data set is released."

    def observe(self, case: Case) -> Kept:
        """``released``, ``original`` and ``untrained``, (10,) accuracies; or ``absent``, the reason."""
        session, cell = case.session, case.cell
        if session.track.splits.train is None:
            reason = "The track has no train split, so there is no data set to release; add [splits.train]."
            return {"absent": np.array(reason)}
        return {
            "released": _accuracies(session, cell.seed, trained_on_release(session, cell, case.system)),
            "original": _accuracies(session, cell.seed, trained_on_originals(session, cell)),
            "untrained": _accuracies(session, cell.seed, untrained(session, cell)),
        }

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        if "absent" in kept:
            yield from (absent(row_of(metric), str(kept["absent"])) for metric in self.metrics)
            return
        released, original = kept["released"], kept["original"]
        pairs = rules.protocol.verification_pairs
        for metric, folds in zip(self.metrics, (released, original, released - original, kept["untrained"])):
            yield folded(metric, row_of(metric), folds, pairs)


def trained_on_release(session: Session, cell: Cell, defense: Defense) -> Recognizer:
    """A recogniser trained on what ``defense`` releases of the train split, kept on disk."""
    alias = cell.target.recognizer
    spec = {
        "release": session.systems.recipe_of(defense),
        "secrets": [cell.seed, session.root.fingerprint],
        "code": code_of(__name__),
    }
    return _trained(session, alias, lambda: released_faces(session, cell, defense), spec)


def trained_on_originals(session: Session, cell: Cell) -> Recognizer:
    """Its double: the attacked recogniser itself where that was trained on the same pictures."""
    alias = cell.target.recognizer
    if _trained_here(session, alias):
        return session.recognizer(alias)
    return _trained(session, alias, lambda: session.faces(RELEASED), {"release": None})


def untrained(session: Session, cell: Cell) -> Recognizer:
    """The same network with the first weights that both others had."""
    alias = cell.target.recognizer
    return _trained(session, alias, lambda: session.faces(RELEASED), {"release": None}, {"steps": 0})


def released_faces(session: Session, cell: Cell, defense: Defense) -> FaceSet:
    """The split as it is released: every picture once, in 8 bits, under the installation's secrets."""
    faces, source = session.faces(RELEASED), session.installation(cell.seed)
    pieces = torch.arange(len(faces)).split(_BATCH)
    parts = []
    for index in session.progress.track(pieces, len(pieces), f"releasing {faces.name}"):
        once = torch.zeros_like(index)
        leak = session.leak(defense, cell.target.recognizer, Surface.IMAGE, faces, index, once, source)
        assert isinstance(leak, torch.Tensor)
        parts.append((leak * 255).round().clamp(0, 255).to(torch.uint8).cpu())
    pixels = torch.cat(parts)
    read = lambda index: pixels[torch.as_tensor(index)].float() / 255  # noqa: E731
    return FaceSet(faces.name, faces.samples, faces.identities, read, f"{faces.sha}:released")


def _trained_here(session: Session, alias: str) -> bool:
    return session.recognizers.trained_here(alias)


def _trained(
    session: Session,
    alias: str,
    faces: Callable[[], FaceSet],
    spec: dict[str, Any],
    changed: dict[str, Any] | None = None,
) -> Recognizer:
    """A recogniser of the attacked one's type and settings (else the fallback's), trained as the session trains it."""
    own = session.track.recognizers[alias]
    kind, settings = (own.type, own.settings) if _trained_here(session, alias) else FALLBACK
    recognizer: Recognizer = RECOGNIZERS.get(kind)(settings | (changed or {}))
    recognizer.alias = f"{alias} of the release"
    recipe = session.recognizers.made_from(recognizer, alias, session.faces(RELEASED), spec)
    return session.recognizers.trained(recognizer, alias, recipe, faces)


def _accuracies(session: Session, seed: int, recognizer: Recognizer) -> np.ndarray:
    """(10,) accuracy of each fold on real pictures, on the pairs that the accuracy of the deployed system is from."""
    faces = session.faces("victims")
    pieces = torch.arange(len(faces)).split(_BATCH)
    z = torch.cat([recognizer.embed(faces.images(index).to(session.device)).cpu() for index in pieces])
    rng = Rng(seed, "verification").numpy()
    pairs = make_pairs(faces.labels.numpy(), rng, session.track.protocol.verification_pairs)
    scores = (z[pairs.first] * z[pairs.second]).sum(1).numpy()
    return tenfold_accuracy(scores, pairs.same, pairs.fold).per_fold
