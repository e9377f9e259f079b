"""What a probe read of the victims, attribute by attribute, against the label's own frequencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from .core.attributes import Attributes
from .core.errors import ContractError
from .core.seeding import Rng
from .evidence import Kept, under
from .metrics.attributes import auc_draws, auc_interval, mean_known
from .metrics.intervals import Interval, bootstrap_identities, paired_difference
from .metrics.reidentification import by_identity
from .schema import Row
from .words import ATTRIBUTE_METRICS

if TYPE_CHECKING:
    from .leaked import LeakedSet
    from .plan import Cell
    from .scoring import Scored
    from .session import Session

READ = "read/"  # where scores.npz keeps what was read


def score_attributes(
    session: Session,
    cell: Cell,
    part: LeakedSet,
    read: Mapping[str, Tensor],
    scored: Scored,
    columns: Callable[[Interval, bool | None], Row],
) -> None:
    """Append the rows of what was read of the victims; ``columns`` writes an interval down."""
    public, known = session.faces("public").attributes, part.faces.attributes
    assert public is not None
    assert known is not None
    protocol, owner = session.track.protocol, part.faces.labels[part.index].numpy()
    kept = readings(public, known.take(part.index), owner, read)
    scored.kept |= kept

    def rng() -> np.random.Generator:
        return Rng(cell.seed, "bootstrap").numpy()

    for row, found in attribute_rows(kept, rng, protocol.bootstrap, protocol.level):
        if found is None:
            scored.absent[row["metric"]] = "All victims are of one class."
        up = ATTRIBUTE_METRICS[row["metric"].partition(":")[0]]
        scored.rows.append(row | (columns(found, up) if found else {"status": "absent"}))


def readings(public: Attributes, victims: Attributes, owner: np.ndarray, read: Mapping[str, Tensor]) -> Kept:
    """What the rows follow from, as ``scores.npz`` keeps it.

    Args:
        public: labels of the adversary's pictures.
        victims: (L,) labels of the pictures that leaked.
        owner: (L,) whom each leak is of.
        read: attribute -> (L, classes) likelihoods.

    Returns:
        ``read/people`` (L,) and for each attribute ``read/NAME/likely`` (L, classes), ``truth`` (L,) class numbers and
        ``usual``, the class of most public pictures.

    Raises:
        ContractError: an attribute was read that the data set does not have, or with other classes.
    """
    kept: Kept = {f"{READ}people": owner}
    for name, likely in read.items():
        if likely.shape[1:] != (len(victims.classes.get(name, ())),):
            raise ContractError(
                f"Attribute {name!r} was read as {tuple(likely.shape)}, its classes are {victims.classes.get(name)}."
            )
        usual = public.labels[name].bincount().argmax()
        parts = {"likely": likely, "truth": victims.labels[name], "usual": usual}
        kept |= under(f"{READ}{name}", {part: values.numpy() for part, values in parts.items()})
    return kept


def read_in(kept: Mapping[str, np.ndarray]) -> bool:
    """Whether attributes were read."""
    return f"{READ}people" in kept


def attribute_rows(
    kept: Mapping[str, np.ndarray], rng: Callable[[], np.random.Generator], resamples: int, level: float
) -> list[tuple[Row, Interval | None]]:
    """Accuracy, chance, the difference of the two, and AUC; macro-averaged by identity.

    Chance is to call everybody what most public pictures are. The difference is paired by identity.

    Args:
        kept: of ``readings``.
        rng: a fresh generator with the same numbers each time.
        resamples: bootstrap draws.
        level: nominal coverage.

    Returns:
        A row and its interval each; None where all victims are of one class, which no AUC can be made of.
    """
    rows: list[tuple[Row, Interval | None]] = []
    right, chance, draws = [], [], []
    owner = kept[f"{READ}people"]
    people = len(np.unique(owner))

    def add(name: str, hit: np.ndarray, base: np.ndarray, areas: np.ndarray) -> None:
        found = (
            bootstrap_identities(hit, rng(), resamples, level),
            bootstrap_identities(base, rng(), resamples, level),
            paired_difference(hit, base, rng(), resamples, level),
            auc_interval(areas, people, level),
        )
        for metric, interval in zip(ATTRIBUTE_METRICS, found):
            row = {"metric": f"{metric}:{name}" if name else metric, "split": "victims", "unit": "fraction"}
            rows.append((row, interval))

    for place in [key.removesuffix("/likely") for key in kept if key.startswith(READ) and key.endswith("/likely")]:
        likely, truth, usual = (kept[f"{place}/{part}"] for part in ("likely", "truth", "usual"))
        right.append(by_identity(likely.argmax(1) == truth, owner).values)
        chance.append(by_identity(truth == usual, owner).values)
        draws.append(auc_draws(likely, truth, owner, rng(), resamples))
        add(place.removeprefix(READ), right[-1], chance[-1], draws[-1])
    add("", np.mean(right, axis=0), np.mean(chance, axis=0), mean_known(np.stack(draws)))
    return rows
