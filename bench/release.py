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

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..defenses.base import Defense
from .core.code import code_of
from .core.faces import FaceSet
from .core.registry import RECOGNIZERS
from .core.secrets import SecretSource
from .core.seeding import Rng
from .core.surfaces import Surface
from .enrolment import fold_row
from .metrics.pairs import make_pairs
from .metrics.verification import tenfold_accuracy
from .plan import Cell
from .recognizers.base import Recognizer
from .scoring import Scored
from .session import Session

RELEASED = "train"  # the split that is released
# What is trained where the attacked recogniser brings its own weights: type and settings.
FALLBACK: tuple[str, dict[str, Any]] = ("small-resnet", {})
METRICS = (
    "release_accuracy",
    "release_accuracy_original",
    "release_accuracy_difference",  # of the two, fold by fold
    "release_accuracy_untrained",  # the floor: the same network with its first weights
)
_BATCH = 256


def release_rows(session: Session, cell: Cell, defense: Defense, scored: Scored) -> None:
    """Ten-fold accuracy on real faces of a recogniser trained on the release and of its double, difference, floor."""
    if session.track.splits.train is None:
        reason = "The track has no train split, so there is no data set to release; add [splits.train]."
        scored.absent |= dict.fromkeys(METRICS, reason)
        scored.rows += [{"metric": metric, "split": "victims", "status": "absent"} for metric in METRICS]
        return
    released = _accuracies(session, cell.seed, trained_on_release(session, cell, defense))
    original = _accuracies(session, cell.seed, trained_on_originals(session, cell))
    floor = _accuracies(session, cell.seed, untrained(session, cell))
    pairs = session.track.protocol.verification_pairs
    for metric, folds in zip(METRICS, (released, original, released - original, floor)):
        scored.rows.append(fold_row(metric, folds, pairs))


def trained_on_release(session: Session, cell: Cell, defense: Defense) -> Recognizer:
    """A recogniser trained on what ``defense`` releases of the train split, kept on disk."""
    alias = cell.target.recognizer
    spec = {
        "release": session.systems.recipe_of(defense),
        "secrets": cell.seed,
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
    faces, source = session.faces(RELEASED), SecretSource.installation(cell.seed)
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
